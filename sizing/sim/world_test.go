package sim_test

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// With a fixed target S and takes at random, a get misses when S or more came in the
// last lead time: P(Poisson(rate × lead time) ≥ S), whatever else is known of the lead
// times (Palm).
func TestAFixedTargetMissesAsOftenAsTheorySays(t *testing.T) {
	for _, c := range []struct {
		workload string
		target   int
	}{{"poisson-10", 2}, {"poisson-100", 10}, {"poisson-100", 16}} {
		w := sim.World{Seed: 3, MaxCapacity: 200}
		misses, gets := 0, 0
		for seed := range uint64(8) {
			r := w.Run(workload(t, c.workload).Demand(seed+1), sizing.Fixed(c.target))
			misses, gets = misses+r.Misses, gets+r.Gets
		}
		rate := map[string]float64{"poisson-10": 10, "poisson-100": 100}[c.workload]
		mean := rate * w.Lead().Seconds()
		p, want := math.Exp(-mean), 1.
		for k := range c.target {
			want -= p
			p *= mean / float64(k+1)
		}
		got := float64(misses) / float64(gets)
		if math.Abs(got/want-1) > 0.05 {
			t.Errorf("%s with a target of %d: %.4f of all gets missed, want %.4f", c.workload, c.target, got, want)
		}
	}
}

func TestTheSameSeedIsTheSameRun(t *testing.T) {
	for _, w := range sim.Workloads() {
		a, b := w.Demand(7), w.Demand(7)
		if !slices.Equal(a.Takes, b.Takes) || !slices.IsSorted(a.Takes) {
			t.Fatalf("%s: takes differ, or are out of order", w.Name)
		}
		if slices.Equal(a.Takes, w.Demand(8).Takes) {
			t.Errorf("%s: another seed, the same takes", w.Name)
		}
		world := sim.World{RTT: 50 * ms, Seed: 7, Failing: 0.1}
		if x, y := world.Run(a, &sizing.Ladder{}), world.Run(b, &sizing.Ladder{}); !reflect.DeepEqual(x, y) {
			t.Errorf("%s: two runs came to %+v and %+v", w.Name, x, y)
		}
	}
}

// How many takes the workloads have a second, on average of many runs.
func TestWorkloadsAreAsBusyAsTheySay(t *testing.T) {
	for name, want := range map[string]struct{ rate, within float64 }{
		"poisson-1": {1, 0.02}, "poisson-1000": {1000, 0.01}, "diurnal": {100, 0.01}, "flash": {38, 0.02},
		"onoff": {41.6, 0.1}, "selfsim": {100, 0.1}, "batch": {100, 0.05}, "cron": {6.67, 0.03}, "sparse": {0.05, 0.05},
	} {
		w, n := workload(t, name), 0
		for seed := range uint64(20) {
			n += len(w.Demand(seed).Takes)
		}
		if got := float64(n) / 20 / w.Length.Seconds(); math.Abs(got/want.rate-1) > want.within {
			t.Errorf("%s has %.3f takes a second, want %.3f", name, got, want.rate)
		}
	}
}

// at is a demand of takes at these times, of which all are measured.
func at(length time.Duration, takes ...time.Duration) sim.Demand {
	return sim.Demand{Workload: sim.Workload{Name: "by hand", Length: length}, Takes: takes}
}

func TestAMissIsHandedTheNextMember(t *testing.T) {
	w := sim.World{RTT: 100 * ms, MinCapacity: 2, Seed: 1}
	r := w.Run(at(10*time.Second, 5000*ms, 5001*ms, 5002*ms, 5050*ms), sizing.Fixed(2))
	if r.Gets != 4 || r.Misses != 2 || len(r.Waits) != 2 {
		t.Fatalf("%d gets, %d misses, %d waits; want 4, 2, 2", r.Gets, r.Misses, len(r.Waits))
	}
	// They get the replacements of the first two, and come too soon for their own.
	for i, want := range []time.Duration{55 * ms, 100 * ms} {
		if got := r.Waits[i]; got < want-5*ms || got > want+60*ms {
			t.Errorf("the waits are %v, want about 55 and 100 ms", r.Waits)
		}
	}
	if r.Longest() != r.Waits[1] || r.Wait(0.25) != 0 || r.Wait(0.5) != r.Waits[0] || r.MissRatio() != 0.5 {
		t.Errorf("of the waits %v of four gets the longest is %v, the third shortest %v", r.Waits, r.Longest(), r.Wait(0.5))
	}
}

func TestMembersThatComeBackAreUsedAgain(t *testing.T) {
	w := sim.World{RTT: 100 * ms, Seed: 1}
	d := at(time.Minute)
	for s := range 50 {
		d.Takes = append(d.Takes, time.Duration(s+5)*time.Second)
	}
	d = d.Reused(10*ms, 1)
	r := w.Run(d, &sizing.Ladder{})
	if r.Misses != 0 || r.Created > 3 {
		t.Errorf("%d misses and %d members for 50 uses one after the other, want none and a few", r.Misses, r.Created)
	}
	if o := w.Offline(d, price); o.Misses != 0 || o.Idle < 0.95 || o.Idle > 1 {
		t.Errorf("the offline optimum holds %.2f and misses %d, want one and none", o.Idle, o.Misses)
	}
}

func TestUnusedMembersDie(t *testing.T) {
	w := sim.World{Seed: 1, MinCapacity: 10}
	r := w.Run(at(time.Hour), sizing.Fixed(10))
	if r.Wasted < 100 || r.Wasted > 140 || r.Idle < 9.9 {
		t.Errorf("in an hour %d died, and %.2f were idle; want 120 and 10", r.Wasted, r.Idle)
	}
}

func TestACallerOfTheOriginalLooksEveryFiftyMilliseconds(t *testing.T) {
	w := sim.World{RTT: 20 * ms, Seed: 1}
	d := at(20 * time.Second)
	for i := range 200 {
		d.Takes = append(d.Takes, 5*time.Second+time.Duration(i)*3*ms)
	}
	r := w.Poll(d, sizing.Fixed(1))
	if r.Misses < 150 {
		t.Fatalf("%d misses, want most of 200", r.Misses)
	}
	for _, wait := range r.Waits {
		if wait%(50*ms) != 0 || wait > 10*time.Second {
			t.Fatalf("somebody waited %v, want a multiple of 50 ms up to 10 s", wait)
		}
	}
	if r.Lost != len(r.Waits)-slices.IndexFunc(r.Waits, func(w time.Duration) bool { return w == 10*time.Second }) {
		t.Errorf("%d gave up, the longest waits are %v", r.Lost, r.Waits[len(r.Waits)-5:])
	}
}

// By hand: 100 ms after its take a replacement is there. Gaps of the first spare are
// held, since it is in MinCapacity, those of the second cost 4.9 s, and 40 s against 30.
func TestTheOfflineOptimumByHand(t *testing.T) {
	w := sim.World{RTT: 100 * ms}
	second := 10 * ms
	d := at(60*time.Second,
		time.Second, time.Second+second, // never needed before: a miss
		6*time.Second, 6*time.Second+second, // held
		46*time.Second, 46*time.Second+second, // not worth holding
	)
	r := w.Offline(d, price)
	idle := (60*time.Second - 3*w.Lead() + 5*time.Second - w.Lead()).Seconds() / 60
	if r.Misses != 2 || math.Abs(r.Idle-idle) > 1e-3 {
		t.Errorf("it misses %d and holds %.4f, want 2 and %.4f", r.Misses, r.Idle, idle)
	}
	if cost := r.Cost(price); math.Abs(cost-r.Idle-1) > 1e-9 {
		t.Errorf("two misses a minute cost %.3f with %.3f idle, want one member more", cost, r.Idle)
	}
}

func TestOraclesAreNotBeaten(t *testing.T) {
	for name, rtt := range map[string]time.Duration{
		"poisson-10": 0, "poisson-100": 0, "poisson-1000": time.Second, "diurnal": 0, "flash": 0,
	} {
		w, d := sim.World{Seed: 1, RTT: rtt}, workload(t, name).Demand(1)
		rate, ok := w.RateOracle(d, price)
		if !ok {
			t.Fatalf("%s has no rate", name)
		}
		ladder, oracle := w.Run(d, &sizing.Ladder{Price: price}).Cost(price), w.Run(d, rate).Cost(price)
		clairvoyant := w.Clairvoyant(d, price).Cost(price)
		if ladder < 0.97*oracle || oracle < clairvoyant {
			t.Errorf("%s: a ladder costs %.2f, the rate oracle %.2f, who knows all takes %.2f", name, ladder, oracle, clairvoyant)
		}
	}
	if _, ok := (sim.World{}).RateOracle(workload(t, "batch").Demand(1), price); ok {
		t.Error("batch has a rate oracle")
	}
}

func TestATraceIsTheWholeRun(t *testing.T) {
	w := sim.World{Seed: 1, Every: time.Second}
	d := workload(t, "flash").Demand(1)
	d.WarmUp = 0
	r := w.Run(d, &sizing.Ladder{})
	if want := int(d.Length/w.Every) - 1; len(r.Trace) < want {
		t.Fatalf("%d samples, want %d", len(r.Trace), want)
	}
	takes, misses, idle := 0, 0, 0.
	var longest time.Duration
	for i, s := range r.Trace {
		if s.Begin != time.Duration(i)*w.Every {
			t.Fatalf("sample %d begins at %v", i, s.Begin)
		}
		takes, misses, idle, longest = takes+s.Takes, misses+s.Misses, idle+s.Idle, max(longest, s.Wait)
	}
	idle /= float64(len(r.Trace))
	if takes != r.Gets || misses != r.Misses || longest != r.Longest() || math.Abs(idle-r.Idle) > 0.1 {
		t.Errorf("in the samples %d takes, %d misses, %.2f idle, %v; in all %d, %d, %.2f, %v",
			takes, misses, idle, longest, r.Gets, r.Misses, r.Idle, r.Longest())
	}
}
