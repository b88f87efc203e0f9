package quic

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/internal/document"
	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// replay lets a client pool take what a demand asks for, each stream for an instant.
func replay(t *testing.T, d sim.Demand, rtt time.Duration, connections int) (r sim.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, Network: simtest.New(t, hosts, rtt), tls: simtest.Certificate(t)}
		w.listen(ListenConfig{})
		begun := time.Now()
		p := w.dial(DialConfig{
			MinCapacity: 1, MaxCapacity: 1024, Connections: connections,
			Sizing: &sizing.Ladder{Price: 30 * time.Second},
		})
		var (
			takes sync.WaitGroup
			mu    sync.Mutex // guards r
		)
		for _, at := range d.Takes {
			time.Sleep(at - time.Since(begun))
			takes.Go(func() {
				l, err := p.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				wait := time.Since(begun) - at
				l.Discard()
				if at < d.WarmUp {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				r.Gets++
				if wait > 0 {
					r.Misses++
					r.Waits = append(r.Waits, wait)
				}
			})
		}
		takes.Wait()
	})
	return r
}

// The simulator knows nothing of QUIC, goroutines and locks, and the pool nothing of
// the simulator. For the same takes they have to agree. Three workloads need more than the
// 128 streams of a connection now and then, and it shows that the first streams of another
// take two round trips: so these have eight from the beginning.
func TestAPoolMissesAsOftenAsTheSimulatorSays(t *testing.T) {
	tb := document.Table{
		File: "../../docs/sizing.md", Name: "replay",
		Head: []string{"Demand", "Gets", "Pool, 20 ms", "Simulator", "Pool, 100 ms", "Simulator"},
	}
	for _, w := range sim.Workloads() {
		usual := w.Name == "cron" || w.Name == "heavytail" || w.Name == "poisson-1"
		if !usual && scaled(0, 1) == 0 {
			continue
		}
		connections := 1
		if slices.Contains([]string{"poisson-1000", "heavytail", "batch"}, w.Name) {
			connections = 8
		}
		d := w.Demand(1)
		row := []string{w.Name, ""}
		for _, rtt := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
			got := replay(t, d, rtt, connections)
			want := sim.World{RTT: rtt, Even: true}.Run(d, &sizing.Ladder{Price: 30 * time.Second})
			t.Logf("%s, %v: %d of %d gets miss, in the simulator %d of %d", w.Name, rtt, got.Misses, got.Gets, want.Misses, want.Gets)
			if off := math.Abs(float64(got.Misses - want.Misses)); got.Gets != want.Gets || off > 3 && off > 0.2*float64(want.Misses) {
				t.Errorf("%s, %v: %d of %d gets miss, in the simulator %d of %d; want a fifth more or less at most", w.Name, rtt, got.Misses, got.Gets, want.Misses, want.Gets)
			}
			row[1] = strconv.Itoa(got.Gets)
			row = append(row, missing(got), missing(want))
		}
		tb.Rows = append(tb.Rows, row)
	}
	if scaled(0, 1) == 1 {
		tb.Documented(t)
	}
}

func missing(r sim.Result) string {
	return fmt.Sprintf("%d (%.3f %%)", r.Misses, 100*r.MissRatio())
}
