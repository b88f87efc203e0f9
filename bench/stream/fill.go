package stream

import (
	"fmt"
	"runtime"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

var fill = report.Experiment{
	Name: "fill", Title: "QUIC: from nothing to ready",
	About: "How long it takes from the first packet until the client has that many streams, introduced: 1 and 128 on one connection, 1024 on eight. The path of 50 ms is simulated, in real time.",
	Run:   measureFill,
}

func measureFill(e measure.Effort) report.Table {
	t := report.Table{Head: []string{"Streams"}, Rows: [][]string{{withoutPool.name}, {withPool.name}}}
	for _, n := range []struct {
		label string
		open  func() network
	}{{"loopback", loopback}, {"50 ms", distant}} {
		for _, streams := range []int{1, places, 8 * places} {
			t.Head = append(t.Head, fmt.Sprintf("%d, %s", streams, n.label))
			s := shape{connections: (streams + places - 1) / places, ready: streams, held: true}
			all := measure.Compare(e, runtime.NumCPU(), []measure.Run{
				filling(withoutPool, n.open, s),
				filling(withPool, n.open, s),
			})
			for i := range all {
				t.Rows[i] = append(t.Rows[i], report.Nanoseconds(all[i].Cost(measure.First).Median)+", "+
					report.Spread(all[i].Over(all[0], measure.First)))
			}
		}
	}
	return t
}

func filling(r rival, open func() network, s shape) measure.Run {
	return func(time.Duration) measure.Tally {
		n := open()
		defer n.close()
		begun := time.Now()
		all := r.open(n, s)
		all.fill()
		took := time.Since(begun)
		all.close()
		return measure.Tally{Ops: 1, Waits: []time.Duration{took}}
	}
}
