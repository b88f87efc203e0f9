package sizing_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
)

const ms = time.Millisecond

// Each line of the script is one step of a pool with bounds of 4 and 8 members, and
// of 500 and 800 ms.
func TestStepwiseTellsThisStory(t *testing.T) {
	s := &sizing.Stepwise{MinInterval: 500 * ms, MaxInterval: 800 * ms}
	for i, line := range []struct {
		story                 string
		idle, created, failed int
		takes                 int
		wantTarget            int
		wantWait              time.Duration
		wantSettled           bool
	}{
		{"the first step only learns the bounds", 0, 0, 0, 0, 4, 500 * ms, false},
		{"all four were created: more seem to be wanted", 4, 4, 0, 0, 5, 600 * ms, false},
		{"one of five was created; the interval goes on rising", 5, 1, 0, 0, 5, 700 * ms, false},
		{"full and healthy: the target stays", 5, 0, 0, 0, 5, 800 * ms, false},
		{"and now the interval has reached its bound", 5, 0, 0, 0, 5, 800 * ms, true},
		{"forever", 5, 0, 0, 0, 5, 800 * ms, true},
		{"takes that were all replaced move it up", 5, 4, 0, 4, 6, 800 * ms, false},
		{"exactly 80 % idle moves no interval", 4, 1, 0, 1, 6, 800 * ms, false},
		{"a run on the pool leaves nothing idle", 0, 5, 0, 30, 7, 700 * ms, false},
		{"and again", 1, 7, 0, 30, 8, 600 * ms, false},
		{"the upper bound holds", 1, 30, 0, 30, 8, 500 * ms, false},
		{"the lower bound of the interval too", 0, 30, 0, 30, 8, 500 * ms, false},
		{"an outage: nothing can be created", 0, 0, 3, 0, 7, 500 * ms, false},
		{"one success in five is no recovery", 0, 1, 4, 0, 6, 500 * ms, false},
		{"one in four is", 0, 1, 3, 0, 6, 500 * ms, false},
		{"more failures", 0, 0, 1, 0, 5, 500 * ms, false},
		{"and more", 0, 0, 1, 0, 4, 500 * ms, false},
		{"the lower bound holds", 0, 0, 1, 0, 4, 500 * ms, false},
		{"nothing at all happens: no more steps are needed", 0, 0, 0, 0, 4, 500 * ms, true},
	} {
		o := sizing.Observation{
			MinCapacity: 4, MaxCapacity: 8,
			Idle: line.idle, Created: line.created, Failed: line.failed, Takes: line.takes,
		}
		if i > 0 {
			o.Elapsed = time.Second
		}
		want := sizing.Decision{Target: line.wantTarget, Wait: line.wantWait, Settled: line.wantSettled}
		got := s.Step(o)
		want.Reason = got.Reason // TestReasonsReadLikeThis reads them
		if got != want {
			t.Fatalf("step %d, %s: %+v, want %+v", i, line.story, got, want)
		}
	}
}

func TestStepwiseSaysThatTheLeastIsKeptWhereCreationsFail(t *testing.T) {
	s := &sizing.Stepwise{MinInterval: 500 * ms, MaxInterval: 800 * ms}
	s.Step(sizing.Observation{MinCapacity: 4, MaxCapacity: 8})
	d := s.Step(sizing.Observation{Elapsed: time.Second, MinCapacity: 4, MaxCapacity: 8, Failed: 3})
	if got, want := d.Reason.String(), "4 is the least: creations fail"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestAFullHealthyPoolKeepsItsTarget(t *testing.T) {
	s := &sizing.Stepwise{MinInterval: 500 * ms, MaxInterval: 5 * time.Second}
	s.Step(sizing.Observation{MinCapacity: 10, MaxCapacity: 100})
	var d sizing.Decision
	for range 1000 {
		d = s.Step(sizing.Observation{Elapsed: time.Second, MinCapacity: 10, MaxCapacity: 100, Idle: 10})
		if d.Target != 10 {
			t.Fatalf("the target moved to %d", d.Target)
		}
	}
	if d.Wait != 5*time.Second || !d.Settled {
		t.Errorf("in the end %+v, want 5s and settled", d)
	}
}

func TestBoundsHoldWhateverIsObserved(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s := &sizing.Stepwise{MinInterval: 500 * ms, MaxInterval: 5 * time.Second}
	before := sizing.Decision{}
	for i := range 200_000 {
		low := rng.IntN(20)
		o := sizing.Observation{
			Elapsed:     time.Duration(rng.IntN(1000)),
			MinCapacity: low, MaxCapacity: low + rng.IntN(20),
			Takes: rng.IntN(50), Created: rng.IntN(50), Failed: rng.IntN(50) - 25, Idle: rng.IntN(50),
		}
		for _, p := range []sizing.Policy{s, sizing.Fixed(rng.IntN(60) - 10)} {
			d := p.Step(o)
			if d.Target < o.MinCapacity || d.Target > o.MaxCapacity || d.Wait < 500*ms || d.Wait > 5*time.Second {
				t.Fatalf("step %d: %T answers %+v to %+v", i, p, d, o)
			}
		}
		d := s.Step(o)
		if i > 0 && (d.Wait-before.Wait).Abs() > 300*ms {
			t.Fatalf("step %d: the interval jumped from %v to %v", i, before.Wait, d.Wait)
		}
		before = d
	}
}

func TestAStepAllocatesNothing(t *testing.T) {
	for _, p := range []sizing.Policy{
		&sizing.Stepwise{MinInterval: 500 * ms, MaxInterval: 5 * time.Second},
		&sizing.Ladder{},
		comeBack{&sizing.Ladder{}},
	} {
		demand, i := []int{5, 0, 0, 90, 100, 0, 1}, 0
		step := func() {
			n := demand[i%len(demand)]
			p.Step(sizing.Observation{
				Elapsed: 7 * ms, MinCapacity: 1, MaxCapacity: 1000,
				Idle: 3, Takes: n, Created: n, LeadSum: time.Duration(n) * 50 * ms,
			})
			i++
		}
		step() // the first of a Ladder makes room for as many members as there may be
		if n := testing.AllocsPerRun(10_000, step); n != 0 {
			t.Errorf("%T: %v allocations a step, want none", p, n)
		}
	}
}

// comeBack is a policy of a pool whose members come back.
type comeBack struct{ sizing.Policy }

func (p comeBack) Step(o sizing.Observation) sizing.Decision {
	o.Returns, o.InUse, o.MostInUse = true, o.Takes, o.Takes
	return p.Policy.Step(o)
}

func ExampleStepwise() {
	policy := &sizing.Stepwise{MinInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second}
	bounds := sizing.Observation{MinCapacity: 10, MaxCapacity: 100}
	d := policy.Step(bounds)
	fmt.Println(d.Target, d.Wait, d.Reason)

	busy := bounds
	busy.Elapsed, busy.Created, busy.Idle = time.Second, 10, 1
	d = policy.Step(busy)
	fmt.Println(d.Target, d.Wait, d.Reason)
	// Output:
	// 10 500ms staying at 10
	// 11 500ms one more, 11: most of the target has been created anew
}

func ExampleFixed() {
	fmt.Println(sizing.Fixed(64).Step(sizing.Observation{MinCapacity: 1, MaxCapacity: 128}).Target)
	fmt.Println(sizing.Fixed(64).Step(sizing.Observation{MinCapacity: 1, MaxCapacity: 20}).Target)
	// Output:
	// 64
	// 20
}
