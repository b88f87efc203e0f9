package main

import (
	"fmt"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// contender is one way to keep members ready.
type contender struct {
	name  string
	run   func() sim.Result
	diary *diary // of what it thinks, or nil
}

// contenders are the policies on one demand, and what can be reached at best.
func contenders(w sim.World, d sim.Demand, price time.Duration) []contender {
	on := func(name string, p sizing.Policy) contender {
		return contender{name: name, run: func() sim.Result { return w.Run(d, p) }}
	}
	polled := w
	polled.MinCapacity = 5
	notes := &diary{policy: &sizing.Ladder{Price: price}, length: d.Length}
	ladder := on("Ladder", notes)
	ladder.diary = notes
	all := []contender{
		// The rule of github.com/vistone/quic v1.0.0, as its README recommends it for
		// frequent use. It makes members in rounds, and callers look every 50 ms.
		{name: "original", run: func() sim.Result {
			return polled.Poll(d, &sim.Original{MinInterval: 100 * time.Millisecond, MaxInterval: time.Second})
		}},
		// From here on each take orders its replacement at once.
		on("Stepwise", &sizing.Stepwise{MinInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second}),
		on("fixed at 40", sizing.Fixed(40)),
		on("Prefork", &sim.Prefork{MinSpare: 10, MaxSpare: 20}),
		on("Knative", &sim.Knative{Share: 0.2}),
		ladder,
	}
	if oracle, ok := w.RateOracle(d, price); ok {
		all = append(all, on("knows the rate", oracle))
	}
	return append(all,
		contender{name: "best, offline", run: func() sim.Result { return w.Offline(d, price) }},
		contender{name: "clairvoyant", run: func() sim.Result { return w.Clairvoyant(d, price) }},
	)
}

// diary is a policy that notes why another decides as it does, now and then.
type diary struct {
	policy sizing.Policy
	length time.Duration

	now   time.Duration
	lines []string
}

// entries is how many notes there are of a run.
const entries = 8

// Step implements sizing.Policy.
func (p *diary) Step(o sizing.Observation) sizing.Decision {
	p.now += o.Elapsed
	d := p.policy.Step(o)
	if due := p.length * time.Duration(2*len(p.lines)+1) / (2 * entries); p.now >= due {
		p.lines = append(p.lines, fmt.Sprintf("  %6v  %v", p.now.Round(time.Second), d.Reason))
	}
	return d
}

func (p *diary) print() {
	fmt.Println("\nWhat Ladder said meanwhile:")
	for _, l := range p.lines {
		fmt.Println(l)
	}
}
