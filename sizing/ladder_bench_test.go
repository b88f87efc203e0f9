package sizing_test

import (
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// recorder is a policy that notes what it was asked.
type recorder struct {
	sizing.Policy
	seen []sizing.Observation
}

func (r *recorder) Step(o sizing.Observation) sizing.Decision {
	r.seen = append(r.seen, o)
	return r.Policy.Step(o)
}

func BenchmarkLadder(b *testing.B) {
	for _, w := range sim.Workloads() {
		b.Run(w.Name, func(b *testing.B) {
			r := recorder{Policy: &sizing.Ladder{}}
			sim.World{RTT: 50 * time.Millisecond}.Run(w.Demand(1), &r)
			l, i := &sizing.Ladder{}, 0
			for b.Loop() {
				if i == len(r.seen) {
					i = 0
				}
				l.Step(r.seen[i])
				i++
			}
		})
	}
}
