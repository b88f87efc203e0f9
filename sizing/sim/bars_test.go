package sim_test

import (
	"sort"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// What a Ladder has to reach, with one price for everything.

func TestNobodyWaitsLongerThanAMemberTakesToBeMade(t *testing.T) {
	longest := map[float64]time.Duration{0: 1250, 0.05: 1500} // of round trips of 1000
	for failing, most := range longest {
		var r ratios
		each(usual(), func(c cell) {
			c.Failing = failing
			got := c.Run(c.demand, &sizing.Ladder{Price: price})
			r.add(c, max(got.Longest()-2*ms, 1).Seconds()/c.RTT.Seconds())
			if limit := c.RTT*most/1000 + 2*ms; got.Longest() > limit || got.Lost > 0 {
				t.Errorf("%v, %.0f %% of creations fail: somebody waited %v, want %v at most; %d gave up", c, 100*failing, got.Longest(), limit, got.Lost)
			}
		})
		t.Logf("%.0f %% of creations fail: the longest wait is %.2f round trips and 2 ms (%v)", 100*failing, r.worst, r.where)
	}
}

// The rate oracle is a fixed target where the rate is.
func TestSteadyLoadHoldsHardlyMoreThanTheRateOracle(t *testing.T) {
	var r ratios
	each(usual(), func(c cell) {
		if !steady(c.demand.Name) {
			return
		}
		got := c.ladder()
		ratio := got.Idle / idleAtMisses(c, got.Misses)
		r.add(c, ratio)
		if ratio > 1.2 {
			t.Errorf("%v: %.2f idle, %.2f times as many as the oracle with as many misses; want 1.2 at most", c, got.Idle, ratio)
		}
	})
	t.Logf("idle against the oracle: %v", &r)
}

func steady(name string) bool {
	return name == "poisson-10" || name == "poisson-100" || name == "poisson-1000"
}

// idleAtMisses is how many members have to be idle so that so many gets miss, if the
// target is fixed, or one number for some of the time and the next for the rest.
func idleAtMisses(c cell, misses int) float64 {
	n := 1 + sort.Search(c.MaxCapacity, func(i int) bool { return c.fixed(i+1).Misses <= misses })
	above, below := c.fixed(n), c.fixed(n-1)
	share := float64(below.Misses-misses) / float64(max(below.Misses-above.Misses, 1))
	return below.Idle + share*(above.Idle-below.Idle)
}

func (c cell) fixed(n int) sim.Result { return c.Run(c.demand, sizing.Fixed(n)) }

func TestALadderCostsLittleMoreThanKnowingTheFuture(t *testing.T) {
	for _, p := range []struct {
		price       time.Duration
		mean, worst float64
	}{
		{10 * time.Second, 1.4, 2},
		{30 * time.Second, 1.25, 1.8},
		{100 * time.Second, 1.2, 2},
	} {
		var r ratios
		each(usual(), func(c cell) {
			got := c.Run(c.demand, &sizing.Ladder{Price: p.price})
			best := c.Offline(c.demand, p.price)
			r.add(c, got.Cost(p.price)/best.Cost(p.price))
		})
		r.atMost(t, p.price.String()+", cost over the offline optimum", p.mean, p.worst)
	}
}

// In a lead time from the beginning of a crowd nobody can have a member who has not
// found one ready: rate × lead time of them.
func TestAFlashCrowdMakesFewWait(t *testing.T) {
	const crowds, after = 40, 3 * time.Second
	for _, rtt := range []time.Duration{20 * ms, 100 * ms} {
		waits, longest := 0, time.Duration(0)
		for seed := range uint64(crowds) {
			d := workload(t, "flash").Demand(seed + 1)
			d.WarmUp, d.Length = sim.FlashBegins, sim.FlashBegins+after
			r := sim.World{RTT: rtt, Seed: seed + 1}.Run(d, &sizing.Ladder{Price: price})
			waits, longest = waits+r.Misses, max(longest, r.Longest())
		}
		mean := float64(waits) / crowds
		floor := 200 * sim.World{RTT: rtt}.Lead().Seconds()
		t.Logf("round trips of %v: %.1f wait on average of %d crowds, %.2f × rate × lead time; the longest %v", rtt, mean, crowds, mean/floor, longest)
		if mean > 1.5*floor || longest > rtt*5/4+2*ms {
			t.Errorf("round trips of %v: %.1f wait, the longest %v; want 1.5 × %.1f at most, and one round trip", rtt, mean, longest, floor)
		}
	}
}

func workload(t testing.TB, name string) sim.Workload {
	t.Helper()
	for _, w := range sim.Workloads() {
		if w.Name == name {
			return w
		}
	}
	t.Fatalf("there is no workload %s", name)
	return sim.Workload{}
}

// during is a demand of takes in even distances for a while, after which nothing
// happens.
func during(rate int, begin, end, length time.Duration) sim.Demand {
	d := sim.Demand{Workload: sim.Workload{Name: "even", Length: length}}
	for at := begin; at < end; at += time.Second / time.Duration(rate) {
		d.Takes = append(d.Takes, at)
	}
	return d
}

func TestTheTargetIsTheLeastSoonAfterTheLastTake(t *testing.T) {
	for _, rtt := range []time.Duration{ms, 20 * ms, 100 * ms, 200 * ms} {
		for _, rate := range []int{1, 50, 1000} {
			w := sim.World{RTT: rtt, Every: 100 * ms}
			const last = time.Minute
			r := w.Run(during(rate, 0, last, 3*time.Minute), &sizing.Ladder{Price: price})
			lowered, closed := time.Duration(0), time.Duration(0)
			for _, s := range r.Trace {
				if s.Target > 1 {
					lowered = s.Begin + w.Every - last
				}
				if s.Idle > 1 {
					closed = s.Begin + w.Every - last
				}
			}
			if lowered > price+time.Second || closed > price+3*time.Second {
				t.Errorf("round trips of %v, %d takes a second: the target was the least after %v, want %v; the surplus was gone after %v, want 2 s more",
					rtt, rate, lowered, price+time.Second, closed)
			}
		}
	}
}

func TestAnOutageIsProbedSeldomAndOverSoon(t *testing.T) {
	for _, rtt := range []time.Duration{20 * ms, 100 * ms} {
		for seed := range uint64(10) {
			const begins, ends = time.Minute, 90 * time.Second
			w := sim.World{RTT: rtt, Seed: seed, Every: 100 * ms, OutageBegins: begins, OutageEnds: ends}
			r := w.Run(during(50, 0, 2*time.Minute, 2*time.Minute), &sizing.Ladder{Price: price})
			var back time.Duration // when the last of those is served who waited
			for _, s := range r.Trace {
				if s.Wait > rtt*5/4+2*ms {
					back = s.Begin + w.Every - ends
				}
			}
			if most := 3 * 30; r.Failed > most || back > 3500*ms {
				t.Errorf("round trips of %v, seed %d: %d attempts failed in 30 s, want %d at most; service was back after %v, want 3.5 s", rtt, seed, r.Failed, most, back)
			}
		}
	}
}

// A member that is closed unused was made in vain.
func TestFewMembersAreMadeInVain(t *testing.T) {
	each(usual(), func(c cell) {
		most := 0.1
		switch name := c.demand.Name; {
		case steady(name):
			most = 0.01
		case name == "cron" || name == "poisson-1":
			return
		}
		r := c.ladder()
		if share := float64(r.Wasted) / float64(r.Gets); share > most {
			t.Errorf("%v: %.1f %% of the members were made in vain, want %.0f %% at most", c, 100*share, 100*most)
		}
	})
}
