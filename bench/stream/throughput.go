package stream

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

var throughput = report.Experiment{
	Name: "throughput", Title: "QUIC: bytes",
	About: "A stream on each connection carries bytes from the client to the server, on loopback.",
	Run:   measureThroughput,
}

// What is sent in a round, over all connections, and at once: as much as io.Copy does.
const (
	volume = 8 << 20
	chunk  = 32 << 10
)

func measureThroughput(e measure.Effort) report.Table {
	rivals := []rival{withoutPool, withPool}
	t := report.Table{Head: []string{"Streams"}, Rows: [][]string{{withoutPool.name}, {withPool.name}}}
	for _, connections := range []int{1, 8} {
		var runs []measure.Run
		for _, r := range rivals {
			var flows []flow
			for range connections {
				n := loopback()
				defer n.close()
				all := r.open(n, shape{connections: 1, ready: 1, held: true})
				defer all.close()
				client, server := all.both()
				flows = append(flows, flow{client, server})
			}
			runs = append(runs, func(time.Duration) measure.Tally { return carry(flows) })
		}
		all := measure.Compare(e, runtime.NumCPU(), runs)
		t.Head = append(t.Head, fmt.Sprintf("on %d, MB/s", connections))
		for i, s := range all {
			t.Rows[i] = append(t.Rows[i], fmt.Sprintf("%.0f, ", s.Rate(measure.Wall).Median/1e6)+
				report.Spread(s.Of(all[0], measure.Wall)))
		}
	}
	return t
}

type flow struct{ from, to end }

// carry sends the volume, in equal parts.
func carry(flows []flow) measure.Tally {
	part := volume / len(flows)
	var wg sync.WaitGroup
	for _, f := range flows {
		wg.Go(func() {
			b := make([]byte, chunk)
			for range part / chunk {
				_, err := f.from.Write(b)
				must(err)
			}
		})
		wg.Go(func() {
			b := make([]byte, chunk)
			for left := part; left > 0; {
				n, err := f.to.Read(b[:min(left, chunk)])
				must(err)
				left -= n
			}
		})
	}
	wg.Wait()
	return measure.Tally{Ops: volume}
}
