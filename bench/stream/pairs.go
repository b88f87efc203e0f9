package stream

import (
	"fmt"
	"runtime"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

var pairs = report.Experiment{
	Name: "pairs", Title: "QUIC: streams that are used up",
	About: "64 workers take a stream at the server and the same at the client, and close both, on loopback. The pools keep 256 ready; without a pool a worker opens a stream, introduces and closes it. The goal is **0.80** of what is had without a pool, whatever the interval of the sizing policy.",
	Run:   measurePairs,
}

func measurePairs(e measure.Effort) report.Table {
	intervals := []time.Duration{time.Millisecond, 100 * time.Millisecond, 5 * time.Second}
	names, rivals := []string{withoutPool.name}, []rival{withoutPool}
	for _, i := range intervals {
		names = append(names, fmt.Sprintf("poolkit, interval %v", i))
		rivals = append(rivals, paced(i))
	}
	var runs []measure.Run
	for _, r := range rivals {
		n := loopback()
		defer n.close()
		all := r.open(n, shape{connections: 2, ready: 256})
		defer all.close()
		if r.name != withoutPool.name {
			all.fill()
		}
		runs = append(runs, func(d time.Duration) measure.Tally { return cycles(all, 64, d) })
	}
	e.Length *= 10 // for some thousands
	all := measure.Compare(e, runtime.NumCPU(), runs)
	t := report.Table{Head: []string{"Streams", "pairs a second", "of those without a pool", "allocations", "cores had"}}
	for i, s := range all {
		t.Rows = append(t.Rows, []string{
			names[i], fmt.Sprintf("%.0f", s.Rate(measure.Wall).Median), report.Spread(s.Of(all[0], measure.Wall)),
			fmt.Sprintf("%.0f", s.Mallocs()), fmt.Sprintf("%.1f", s.Cores()),
		})
	}
	return t
}

func cycles(all ends, workers int, d time.Duration) measure.Tally {
	return measure.Crowd(workers, d, func(_ int, over *measure.Bell) (n int) {
		for ; !over.Rung(); n++ {
			all.cycle()
		}
		return n
	})
}
