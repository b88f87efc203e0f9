package stream

import (
	"runtime"
	"sync"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

// In a burst many want a stream at once, more than are ready.
const (
	crowd = 256
	ready = 64
)

var burst = report.Experiment{
	Name: "burst", Title: "QUIC: a burst, on loopback",
	About: "256 goroutines want a stream at the same moment, while the pool keeps 64 ready on one connection, and has to make two more. Without a pool there are three from the beginning. The goal is 8 ms for half of them, and 20 ms for 99 of 100.",
	Run:   func(e measure.Effort) report.Table { return measureBurst(e, loopback) },
}

var burstAfar = report.Experiment{
	Name: "burst-afar", Title: "QUIC: a burst, on a path of 50 ms",
	About: "The same on the simulated path, in real time. The goal is 1.5 round trips, 75 ms, for half of them, and 3 round trips, 150 ms, for 99 of 100.",
	Run:   func(e measure.Effort) report.Table { return measureBurst(e, distant) },
}

func measureBurst(e measure.Effort, open func() network) report.Table {
	all := measure.Compare(e, runtime.NumCPU(), []measure.Run{
		rushing(withoutPool, open, shape{connections: 3}),
		rushing(withPool, open, shape{connections: 1, ready: ready}),
	})
	t := report.Table{Head: []string{"Streams", "a fifth waits up to", "half", "99 of 100", "all"}}
	for i, r := range []rival{withoutPool, withPool} {
		t.Rows = append(t.Rows, []string{r.name, wait(all[i], 0.2), wait(all[i], 0.5), wait(all[i], 0.99), wait(all[i], 1)})
	}
	return t
}

// rushing is a new client and server each time, so that no earlier burst has made more
// connections.
func rushing(r rival, open func() network, s shape) measure.Run {
	return func(time.Duration) measure.Tally {
		n := open()
		defer n.close()
		all := r.open(n, s)
		defer all.close()
		all.fill()
		return measure.Tally{Ops: crowd, Waits: rush(all)}
	}
}

// rush returns how long each of the crowd waits.
func rush(all ends) []time.Duration {
	waits := make([]time.Duration, crowd)
	var wg sync.WaitGroup
	begun := time.Now()
	for i := range waits {
		wg.Go(func() {
			s := all.get()
			waits[i] = time.Since(begun)
			must(s.Close())
		})
	}
	wg.Wait()
	return waits
}

func wait(s measure.Series, share float64) string {
	d, _ := s.Wait(share)
	return report.Nanoseconds(float64(d))
}
