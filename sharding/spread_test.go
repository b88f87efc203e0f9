package sharding_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vistone/poolkit/sharding"
)

func TestASpreadSetBalancesBeforeItUsesFurtherShards(t *testing.T) {
	s := sharding.NewSet(3, 4)
	s.Spread(2)
	if diff := cmp.Diff([]int{0, 1, 0, 1, 0, 1, 2, 2, 2, 3, 3, 3}, reserve(t, s, 12)); diff != "" {
		t.Error(diff)
	}
	if shard, ok := s.Reserve(); ok {
		t.Errorf("a thirteenth of 12 places was on shard %d", shard)
	}
	for _, shard := range []int{1, 1, 3, 0} {
		s.Move(shard, sharding.Promised, sharding.Free)
	}
	if diff := cmp.Diff([]int{1, 0, 1, 3}, reserve(t, s, 4)); diff != "" {
		t.Errorf("places that became free were not taken where there are most: %s", diff)
	}
}

func TestWhatIsBeingClosedDoesNotCountForTheBalance(t *testing.T) {
	s := sharding.NewSet(4, 2)
	s.Spread(2)
	reserve(t, s, 6)
	for range 3 {
		s.Move(0, sharding.Promised, sharding.Closing)
	}
	if diff := cmp.Diff([]int{0, 1}, reserve(t, s, 2)); diff != "" {
		t.Errorf("of 4 places 3 are being closed on shard 0, so that it has room for one: %s", diff)
	}
}

func TestAShardThatRestsTakesItsShareWhenItIsBack(t *testing.T) {
	s := sharding.NewSet(8, 3)
	s.Spread(3)
	now := time.Unix(1, 0)
	reserve(t, s, 3)
	s.Rest(1, now.Add(time.Second))
	if diff := cmp.Diff([]int{0, 2, 0, 2}, reserve(t, s, 4)); diff != "" {
		t.Errorf("while shard 1 rests: %s", diff)
	}
	s.Wake(now.Add(time.Second))
	if diff := cmp.Diff([]int{1, 1, 0, 1, 2}, reserve(t, s, 5)); diff != "" {
		t.Errorf("when shard 1 is back: %s", diff)
	}
}

func TestOddSpreadsMeanOneAndAll(t *testing.T) {
	for n, want := range map[int][]int{
		-3: {0, 0, 1, 1}, 0: {0, 0, 1, 1}, 1: {0, 0, 1, 1}, 3: {0, 1, 2, 0}, 1000: {0, 1, 2, 0},
	} {
		s := sharding.NewSet(2, 3)
		s.Spread(n)
		if diff := cmp.Diff(want, reserve(t, s, 4)); diff != "" {
			t.Errorf("spread over %d: %s", n, diff)
		}
		if got := s.Shed(1, make([]int, s.Len())); !cmp.Equal(got, make([]int, s.Len())) {
			t.Errorf("spread over %d: where none may be shed, %v were", n, got)
		}
	}
}

// Whatever happened before, what Reserve chooses is compared with a search through
// all shards for what it promises.
func TestReserveTakesTheEmptiestOfTheSpread(t *testing.T) {
	const places, most = 5, 6
	for spread := 1; spread <= most; spread++ {
		rng := rand.New(rand.NewPCG(uint64(spread), 2))
		s := sharding.NewSet(places, most)
		s.Spread(spread)
		now := time.Unix(1, 0)
		var limit [most]int
		var learntEnd [most]time.Time
		for i := range limit {
			limit[i] = places
		}
		at := func(i int) sharding.Tally {
			if i >= s.Len() {
				return sharding.Tally{}
			}
			return s.At(i)
		}
		open := func(i int) int { return at(i).Open() }
		staying := func(i int) int { return at(i).Promised }
		rests := func(i int) bool { return i < s.Len() && s.Resting(i) }
		for step := range 50_000 {
			switch op := rng.IntN(20); {
			case op < 9:
				want := -1
				for i := range most {
					if rests(i) || open(i) >= limit[i] {
						continue
					}
					if want < 0 || i < spread && staying(i) < staying(want) {
						want = i
					}
				}
				got, ok := s.Reserve()
				if ok != (want >= 0) || ok && got != want {
					t.Fatalf("spread over %d, step %d: shard %d was reserved (%t), want %d", spread, step, got, ok, want)
				}
			case op < 17 && s.Len() > 0:
				shard := rng.IntN(s.Len())
				switch tally := s.At(shard); {
				case tally.Closing > 0:
					s.Move(shard, sharding.Closing, sharding.Free)
				case tally.Promised > 0:
					s.Move(shard, sharding.Promised, []sharding.State{sharding.Free, sharding.Closing}[rng.IntN(2)])
				}
			case op == 17:
				s.ReserveOn(rng.IntN(most))
			case op == 18 && s.Len() > 0:
				shard := rng.IntN(s.Len())
				if rng.IntN(2) == 0 {
					s.Rest(shard, now.Add(time.Duration(rng.IntN(50))))
					break
				}
				limit[shard], learntEnd[shard] = open(shard), now.Add(time.Duration(rng.IntN(50)))
				s.Learn(shard, learntEnd[shard])
			default:
				now = now.Add(time.Duration(rng.IntN(30)))
				s.Wake(now)
				for i := range limit {
					if !learntEnd[i].After(now) {
						limit[i] = places
					}
				}
			}
		}
	}
}

// What Shed takes away is what Reserve would give last, so that a set that is
// balanced stays so.
func TestShedUndoesReserve(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		places, most := 1+rng.IntN(9), 1+rng.IntN(9)
		spread, first, more := 1+rng.IntN(most), rng.IntN(places*most+1), rng.IntN(places*most+1)
		more = min(more, places*most-first)
		s, less := sharding.NewSet(places, most), sharding.NewSet(places, most)
		s.Spread(spread)
		less.Spread(spread)
		reserve(t, s, first+more)
		reserve(t, less, first)
		may := make([]int, s.Len())
		for i := range may {
			may[i] = s.At(i).Open()
		}
		for i, n := range s.Shed(more, may) {
			want := 0
			if i < less.Len() {
				want = less.At(i).Open()
			}
			if may[i]-n != want {
				t.Fatalf("%d places on %d shards, spread over %d: of %d members %d were shed, and %d stay on shard %d, want %d",
					places, most, spread, first+more, more, may[i]-n, i, want)
			}
		}
	}
}

func TestShedTakesOnlyWhatItMay(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		const places, most = 6, 5
		s := sharding.NewSet(places, most)
		spread := 1 + rng.IntN(most)
		s.Spread(spread)
		for range rng.IntN(places * most) {
			s.ReserveOn(rng.IntN(most))
		}
		may, stay, total := make([]int, s.Len()), make([]int, s.Len()), 0
		for i := range may {
			stay[i] = s.At(i).Open()
			for range stay[i] {
				switch rng.IntN(3) {
				case 0:
					may[i]++
				case 1:
					s.Move(i, sharding.Promised, sharding.Closing)
					stay[i]--
				}
			}
			total += may[i]
		}
		n := rng.IntN(places * most)
		got, sum := s.Shed(n, may), 0
		for i, k := range got {
			if k < 0 || k > may[i] {
				t.Fatalf("%d of %d were shed from shard %d", k, may[i], i)
			}
			stay[i] -= k
			sum += k
		}
		if sum != min(n, total) {
			t.Fatalf("%d of %d were shed, want %d", sum, total, n)
		}
		for i := range got {
			for j := range got {
				switch {
				case got[j] == 0 || got[i] == may[i]:
				case i < spread && j < spread && (stay[i] > stay[j]+1 || stay[i] == stay[j]+1 && i > j):
					t.Fatalf("one of shard %d was shed, where %d stay, while %d stay on shard %d", j, stay[j], stay[i], i)
				case i >= spread && i > j:
					t.Fatalf("one of shard %d was shed, while one of shard %d stays", j, i)
				}
			}
		}
	}
}

// BenchmarkReserve is what one ticket costs under the pool's lock.
func BenchmarkReserve(b *testing.B) {
	for _, spread := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(spread), func(b *testing.B) {
			s := sharding.NewSet(128, 64)
			s.Spread(spread)
			reserve(b, s, 64*spread) // half of the places
			b.ReportAllocs()
			for b.Loop() {
				shard, _ := s.Reserve()
				s.Move(shard, sharding.Promised, sharding.Free)
			}
		})
	}
}

func ExampleSet_Spread() {
	shards := sharding.NewSet(128, 64)
	shards.Spread(3) // one for each of three servers
	for range 4 {
		shard, _ := shards.Reserve()
		fmt.Println("dial on shard", shard)
	}
	// Output:
	// dial on shard 0
	// dial on shard 1
	// dial on shard 2
	// dial on shard 0
}
