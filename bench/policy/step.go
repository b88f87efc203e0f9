// Package policy measures what the sizing policies of pools cost.
package policy

import (
	"fmt"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// goal is what a step of a Ladder may take.
const goal = 150 * time.Nanosecond

// All returns every measurement.
func All() []report.Experiment {
	return []report.Experiment{{
		Name: "steps", Title: "A step of the sizing policy, one core",
		About: "What policies are asked in a simulated run of each kind of demand, on round trips of 50 ms, asked again. The documented rule does no more than compare; a ladder keeps the books of takes, rungs and rates.",
		Run:   measureSteps,
	}}
}

func measureSteps(e measure.Effort) report.Table {
	t := report.Table{Head: []string{"Demand", "Stepwise", "Ladder", "allocations"}}
	for _, w := range sim.Workloads() {
		all := measure.Compare(e, 1, []measure.Run{
			steps(w, func() sizing.Policy { return &sizing.Stepwise{} }),
			steps(w, func() sizing.Policy { return &sizing.Ladder{} }),
		})
		row := []string{w.Name}
		for _, s := range all {
			row = append(row, report.Nanoseconds(s.Cost(measure.CPU).Median))
		}
		t.Rows = append(t.Rows, append(row, fmt.Sprintf("%.1f", all[1].Mallocs())))
	}
	t.Rows = append(t.Rows, []string{"*goal*", "", "≤ **" + report.Nanoseconds(float64(goal)) + "**", "0"})
	return t
}

// steps asks a policy over and over what it was asked in a run.
func steps(w sim.Workload, policy func() sizing.Policy) measure.Run {
	r := recorder{Policy: policy()}
	sim.World{RTT: 50 * time.Millisecond}.Run(w.Demand(1), &r)
	p, next := policy(), 0
	p.Step(r.seen[0]) // a Ladder makes room for all rungs
	return func(d time.Duration) (t measure.Tally) {
		for over := measure.After(d); !over.Rung(); t.Ops++ {
			if next == len(r.seen) {
				next = 0
			}
			p.Step(r.seen[next])
			next++
		}
		return t
	}
}

// recorder is a policy that notes what it was asked.
type recorder struct {
	sizing.Policy
	seen []sizing.Observation
}

func (r *recorder) Step(o sizing.Observation) sizing.Decision {
	r.seen = append(r.seen, o)
	return r.Policy.Step(o)
}
