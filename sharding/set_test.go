package sharding_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vistone/poolkit/sharding"
)

func TestCountFollowsTheDocumentedFormula(t *testing.T) {
	for capacity := -1; capacity <= 20_000; capacity++ {
		want := min(max((capacity+127)/128, 1), 64)
		if got := sharding.Count(capacity, 128, 64); got != want {
			t.Fatalf("Count(%d, 128, 64) = %d, want %d", capacity, got, want)
		}
	}
	for _, c := range []struct{ capacity, places, most, want int }{
		{0, 1, 1, 1},
		{1, 1, 9, 1},
		{9, 1, 9, 9},
		{10, 1, 9, 9},
		{10, 0, 9, 1},
		{math.MaxInt, 1, 64, 64},
	} {
		if got := sharding.Count(c.capacity, c.places, c.most); got != c.want {
			t.Errorf("Count(%d, %d, %d) = %d, want %d", c.capacity, c.places, c.most, got, c.want)
		}
	}
}

// reserve takes n places and returns their shards.
func reserve(t testing.TB, s *sharding.Set, n int) (shards []int) {
	t.Helper()
	for range n {
		shard, ok := s.Reserve()
		if !ok {
			t.Fatalf("no place after %v", shards)
		}
		shards = append(shards, shard)
	}
	return shards
}

func TestPlacesFoldTogetherOnTheLowestShards(t *testing.T) {
	s := sharding.NewSet(2, 3)
	if diff := cmp.Diff([]int{0, 0, 1, 1, 2, 2}, reserve(t, s, 6)); diff != "" {
		t.Error(diff)
	}
	if shard, ok := s.Reserve(); ok {
		t.Errorf("a seventh of 6 places was on shard %d", shard)
	}
	s.Move(2, sharding.Promised, sharding.Free)
	s.Move(0, sharding.Promised, sharding.Landed)
	s.Move(0, sharding.Landed, sharding.Closing)
	s.Move(0, sharding.Closing, sharding.Free)
	if diff := cmp.Diff([]int{0, 2}, reserve(t, s, 2)); diff != "" {
		t.Errorf("places that became free were not taken lowest first: %s", diff)
	}
}

func TestAShardRestsUntilItsTimeOrASuccess(t *testing.T) {
	s := sharding.NewSet(4, 3)
	now := time.Unix(1, 0)
	reserve(t, s, 1)
	for want := 1; want <= 2; want++ {
		if got := s.Rest(0, now.Add(time.Second)); got != want {
			t.Errorf("%d failures in a row, want %d", got, want)
		}
	}
	if got := reserve(t, s, 1)[0]; got != 1 {
		t.Errorf("shard %d was reserved while shard 0 rests, want 1", got)
	}
	if next, ok := s.Wake(now); !ok || !next.Equal(now.Add(time.Second)) {
		t.Errorf("the next wake is at %v (%t), want in a second", next, ok)
	}
	if _, ok := s.Wake(now.Add(time.Second)); ok || s.Resting(0) {
		t.Error("the rest is not over at its time")
	}
	if got := reserve(t, s, 1)[0]; got != 0 || s.Failures(0) != 2 {
		t.Errorf("shard %d was reserved, with %d failures; want 0, and its failures kept", got, s.Failures(0))
	}
	s.Rest(0, now.Add(time.Hour))
	s.Succeeded(0)
	if s.Resting(0) || s.Failures(0) != 0 {
		t.Error("a success does not end rest and failures")
	}
	if got := reserve(t, s, 1)[0]; got != 0 {
		t.Errorf("shard %d was reserved after a success on 0", got)
	}
}

func TestProbesGoRoundTheShards(t *testing.T) {
	s := sharding.NewSet(4, 3)
	now := time.Unix(1, 0)
	var got []int
	for range 7 {
		shard, ok := s.ReserveProbe()
		if !ok || s.Resting(shard) {
			t.Fatalf("no probe, or one on a shard that rests (%d)", shard)
		}
		got = append(got, shard)
		s.Rest(shard, now.Add(time.Hour))
		s.Move(shard, sharding.Promised, sharding.Free)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 0, 1, 2, 0}, got); diff != "" {
		t.Error(diff)
	}
	full := sharding.NewSet(1, 1)
	reserve(t, full, 1)
	if shard, ok := full.ReserveProbe(); ok {
		t.Errorf("a probe on shard %d, which is full", shard)
	}
}

func TestALearntLimitHoldsForAWhile(t *testing.T) {
	s := sharding.NewSet(4, 2)
	now := time.Unix(1, 0)
	reserve(t, s, 3)
	s.Move(0, sharding.Promised, sharding.Free) // the third was not granted
	s.Learn(0, now.Add(time.Second))
	if got := reserve(t, s, 1)[0]; got != 1 {
		t.Errorf("shard %d was reserved, want 1: shard 0 is full at two", got)
	}
	if !s.ReserveOn(0) {
		t.Error("a peer's own opening was refused by what was learnt from dialling")
	}
	s.Wake(now.Add(time.Second))
	if got := reserve(t, s, 1)[0]; got != 0 {
		t.Errorf("shard %d was reserved, want 0 again", got)
	}
}

func TestReserveOnTakesWhatThePeerChose(t *testing.T) {
	s := sharding.NewSet(1, 4)
	for shard, want := range map[int]bool{-1: false, 4: false, math.MaxInt: false, 3: true} {
		if got := s.ReserveOn(shard); got != want {
			t.Errorf("ReserveOn(%d) = %t, want %t", shard, got, want)
		}
	}
	if s.ReserveOn(3) {
		t.Error("a full shard took one more")
	}
	if diff := cmp.Diff([]int{0, 1, 2}, reserve(t, s, 3)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBePanics(t *testing.T) {
	for name, f := range map[string]func(s *sharding.Set){
		"a move of what is not there": func(s *sharding.Set) { s.Move(0, sharding.Landed, sharding.Closing) },
		"a move of a free place":      func(s *sharding.Set) { s.Move(0, sharding.Free, sharding.Landed) },
		"a move on no shard":          func(s *sharding.Set) { s.Move(5, sharding.Promised, sharding.Landed) },
		"a set without places":        func(*sharding.Set) { sharding.NewSet(0, 1) },
		"a set without shards":        func(*sharding.Set) { sharding.NewSet(1, 0) },
	} {
		s := sharding.NewSet(1, 1)
		reserve(t, s, 1)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			f(s)
		}()
		if got, want := s.Total(), (sharding.Tally{Promised: 1}); got != want {
			t.Errorf("after %s: %+v, want %+v", name, got, want)
		}
	}
}

// Places in all states, moved at random, are counted one by one in a map beside the
// set.
func TestTheTallyIsTrueWhateverHappens(t *testing.T) {
	const places, most = 3, 5
	rng := rand.New(rand.NewPCG(1, 2))
	s := sharding.NewSet(places, most)
	type place struct {
		shard int
		state sharding.State
	}
	var held []place
	now := time.Unix(1, 0)
	for i := range 200_000 {
		switch op := rng.IntN(10); {
		case op < 3:
			shard, ok := s.Reserve()
			if ok {
				held = append(held, place{shard, sharding.Promised})
			}
		case op == 3:
			shard := rng.IntN(most+2) - 1
			if s.ReserveOn(shard) {
				held = append(held, place{shard, sharding.Promised})
			}
		case op < 8 && len(held) > 0:
			at := rng.IntN(len(held))
			to := []sharding.State{sharding.Free, sharding.Landed, sharding.Closing}[rng.IntN(3)]
			s.Move(held[at].shard, held[at].state, to)
			if held[at].state = to; to == sharding.Free {
				held = append(held[:at], held[at+1:]...)
			}
		case op == 8 && s.Len() > 0:
			shard := rng.IntN(s.Len())
			[]func(){
				func() { s.Rest(shard, now.Add(time.Duration(rng.IntN(50)))) },
				func() { s.Learn(shard, now.Add(time.Duration(rng.IntN(50)))) },
				func() { s.Succeeded(shard) },
			}[rng.IntN(3)]()
		default:
			now = now.Add(time.Duration(rng.IntN(30)))
			if next, ok := s.Wake(now); ok && !next.After(now) {
				t.Fatalf("step %d: the next wake is not ahead", i)
			}
		}
		var want, sum [most]sharding.Tally
		for _, p := range held {
			tally := &want[p.shard]
			*map[sharding.State]*int{
				sharding.Promised: &tally.Promised, sharding.Landed: &tally.Landed, sharding.Closing: &tally.Closing,
			}[p.state]++
		}
		used := 0
		for shard := range s.Len() {
			sum[shard] = s.At(shard)
			if sum[shard].Open() > 0 {
				used++
			}
			if sum[shard].Open() > places {
				t.Fatalf("step %d: %d open on shard %d of %d places", i, sum[shard].Open(), shard, places)
			}
		}
		if s.Used() != used {
			t.Fatalf("step %d: %d shards in use, want %d", i, s.Used(), used)
		}
		if sum != want || s.Total().Open() != len(held) {
			t.Fatalf("step %d: the set says %+v, want %+v", i, sum, want)
		}
	}
}

func ExampleSet() {
	shards := sharding.NewSet(2, 64)
	for range 3 {
		shard, _ := shards.Reserve()
		fmt.Println("dial on shard", shard)
	}
	shards.Move(0, sharding.Promised, sharding.Landed)
	fmt.Printf("%+v\n", shards.At(0))
	// Output:
	// dial on shard 0
	// dial on shard 0
	// dial on shard 1
	// {Promised:1 Landed:1 Closing:0}
}

func ExampleCount() {
	for _, capacity := range []int{1, 128, 129, 1_000_000} {
		fmt.Println(capacity, "members:", sharding.Count(capacity, 128, 64), "shards")
	}
	// Output:
	// 1 members: 1 shards
	// 128 members: 1 shards
	// 129 members: 2 shards
	// 1000000 members: 64 shards
}
