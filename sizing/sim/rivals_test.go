package sim_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// rival is a way to size pools, with several configurations.
type rival struct {
	name    string
	configs []config
	single  float64 // times what a Ladder costs, the best configuration for everything costs at least
	each    float64 // the same of the best for each workload, in hindsight
}

type config struct {
	name string
	run  func(cell) sim.Result
}

// on is a policy on the event-driven pool.
func on(name string, policy func() sizing.Policy) config {
	return config{name, func(c cell) sim.Result { return c.Run(c.demand, policy()) }}
}

// original is a configuration of the original rule.
type original struct {
	minCapacity int
	low, high   time.Duration
}

func (o original) run(c cell) sim.Result {
	c.MinCapacity = o.minCapacity
	return c.Poll(c.demand, &sim.Original{MinInterval: o.low, MaxInterval: o.high})
}

// originals are 48 configurations in a long run, and else those of them that are the
// best for anything.
func originals() (all []config) {
	for _, n := range []int{1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 180, 250, 350, 450, 600} {
		os := []original{{n, 10 * ms, 10 * ms}, {n, 100 * ms, time.Second}, {n, 500 * ms, 5 * time.Second}}
		switch {
		case long():
		case n <= 5:
			os = os[:2]
		case n <= 180:
			os = os[:1]
		default:
			os = nil
		}
		for _, o := range os {
			all = append(all, config{fmt.Sprintf("at least %d, every %v to %v", n, o.low, o.high), o.run})
		}
	}
	return all
}

func rivals() []rival {
	rs := []rival{
		{name: "a fixed target", single: 3, each: 1},
		{name: "Prefork", single: 3, each: 1},
		{name: "Knative", single: 2, each: 1},
		{name: "Stepwise", single: 3, each: 1},
		{"the original", originals(), 5, 2},
		{"the original as its README has it", []config{{"at least 5, every 100ms to 1s", original{5, 100 * ms, time.Second}.run}}, 6, 6},
	}
	for _, n := range []int{5, 10, 20, 40, 80, 160} {
		rs[0].configs = append(rs[0].configs, on(fmt.Sprint(n), func() sizing.Policy { return sizing.Fixed(n) }))
		rs[1].configs = append(rs[1].configs, on(fmt.Sprintf("%d to %d spare", n, 2*n), func() sizing.Policy {
			return &sim.Prefork{MinSpare: n, MaxSpare: 2 * n}
		}))
	}
	for _, percent := range []int{70, 50, 30, 20, 10, 5} {
		rs[2].configs = append(rs[2].configs, on(fmt.Sprintf("%d %% busy", percent), func() sizing.Policy {
			return &sim.Knative{Share: float64(percent) / 100}
		}))
	}
	for _, n := range []int{1, 5, 20, 80} {
		rs[3].configs = append(rs[3].configs, config{fmt.Sprintf("at least %d, every 500ms to 5s", n), func(c cell) sim.Result {
			c.MinCapacity = n
			return c.Run(c.demand, &sizing.Stepwise{MinInterval: 500 * ms, MaxInterval: 5 * time.Second})
		}})
	}
	return rs
}

// The original makes nearly everybody wait where a thousand are taken a second, so
// that is left out. The others have the pool refill at once, as a Ladder has.
func TestOtherPoliciesCostManyTimesAsMuch(t *testing.T) {
	tb := table(t, "rivals", "Policy", "best configuration", "cost / Ladder", "worst", "each its best", "worst")
	var cells []cell
	for _, c := range usual() {
		if c.demand.Name != "poisson-1000" {
			cells = append(cells, c)
		}
	}
	var mu sync.Mutex
	ladders := make(map[string]float64)
	each(cells, func(c cell) {
		cost := c.ladder().Cost(price)
		mu.Lock()
		defer mu.Unlock()
		ladders[c.String()] = cost
	})

	for _, rv := range rivals() {
		single, hindsight := make([]ratios, len(rv.configs)), new(ratios)
		each(cells, func(c cell) {
			least := 0.
			for i, conf := range rv.configs {
				r := conf.run(c)
				ratio := r.Cost(price) / ladders[c.String()]
				single[i].add(c, ratio)
				if least == 0 || ratio < least {
					least = ratio
				}
			}
			hindsight.add(c, least)
		})
		best := 0
		for i := range single {
			if single[i].mean() < single[best].mean() {
				best = i
			}
		}
		if got := &single[best]; got.mean() < rv.single {
			t.Errorf("%s, %s: it costs %v as a Ladder, want %.1f times at least", rv.name, rv.configs[best].name, got, rv.single)
		}
		if hindsight.mean() < rv.each {
			t.Errorf("%s, best configuration for each: it costs %v as a Ladder, want %.1f times at least", rv.name, hindsight, rv.each)
		}
		tb.Rows = append(tb.Rows, []string{
			rv.name, rv.configs[best].name,
			fmt.Sprintf("%.2f", single[best].mean()), fmt.Sprintf("%.1f", single[best].worst),
			fmt.Sprintf("%.2f", hindsight.mean()), fmt.Sprintf("%.1f", hindsight.worst),
		})
	}
	documented(t, tb)
}
