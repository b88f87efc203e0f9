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
			work sync.WaitGroup
			mu   sync.Mutex // guards r
		)
		work.Go(func() {
			const every = 50 * time.Millisecond
			idle, looks := 0, 0
			time.Sleep(d.WarmUp - time.Since(begun))
			for ; time.Since(begun) < d.Length; time.Sleep(every) {
				idle += p.Stats().Idle
				looks++
			}
			mu.Lock()
			defer mu.Unlock()
			r.Idle = float64(idle) / float64(looks)
		})
		for _, at := range d.Takes {
			time.Sleep(at - time.Since(begun))
			work.Go(func() {
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
		work.Wait()
	})
	return r
}

// begin is the first so long of a demand.
func begin(d sim.Demand, length time.Duration) sim.Demand {
	i, _ := slices.BinarySearch(d.Takes, length)
	d.Takes, d.Length, d.WarmUp = d.Takes[:i], length, length/10
	return d
}

// The simulator knows nothing of QUIC, goroutines and locks, and the pool nothing of
// the simulator. For the same takes they have to agree, to a tenth. In a long run that is
// all workloads, of which three need more than the 128 streams of a connection now and
// then, and it shows that the first streams of another take two round trips: so these
// have eight from the beginning.
func TestAPoolDoesWhatTheSimulatorSays(t *testing.T) {
	tb := document.Table{
		File: "../../docs/sizing.md", Name: "replay",
		Head: []string{
			"Demand", "Round trip", "Gets", "Pool: misses", "mean wait ms", "idle",
			"Simulator: misses", "mean wait ms", "idle",
		},
	}
	short := map[string]time.Duration{"poisson-1": 10, "onoff": 1, "cron": 2} // minutes
	long := scaled(0, 1) == 1
	for _, w := range sim.Workloads() {
		d, connections := w.Demand(1), 1
		switch {
		case long:
		case short[w.Name] == 0:
			continue
		default:
			d = begin(d, short[w.Name]*time.Minute)
		}
		if slices.Contains([]string{"poisson-1000", "heavytail", "batch"}, w.Name) {
			connections = 8
		}
		for _, rtt := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
			got := replay(t, d, rtt, connections)
			want := sim.World{RTT: rtt, Even: true}.Run(d, &sizing.Ladder{Price: 30 * time.Second})
			// Three misses more or less may be chance where there are few.
			about := func(got, want, chance float64) bool { return math.Abs(got-want) <= max(0.1*want, 3*chance) }
			if got.Gets != want.Gets || !about(float64(got.Misses), float64(want.Misses), 1) ||
				!about(waited(got).Seconds(), waited(want).Seconds(), rtt.Seconds()) || !about(got.Idle, want.Idle, 0) {
				t.Errorf("%s, %v: %d of %d gets miss, and wait %v in all, with %.2f idle; in the simulator %d of %d and %v with %.2f",
					w.Name, rtt, got.Misses, got.Gets, waited(got), got.Idle, want.Misses, want.Gets, waited(want), want.Idle)
			}
			tb.Rows = append(tb.Rows, slices.Concat([]string{w.Name, fmt.Sprintf("%d ms", rtt.Milliseconds()), strconv.Itoa(got.Gets)}, figures(got), figures(want)))
		}
	}
	t.Logf("\n%v", &tb)
	if long {
		tb.Documented(t)
	}
}

// waited is how long all who missed waited together.
func waited(r sim.Result) (sum time.Duration) {
	for _, w := range r.Waits {
		sum += w
	}
	return sum
}

func figures(r sim.Result) []string {
	mean := waited(r).Seconds() * 1000 / float64(max(r.Misses, 1))
	return []string{strconv.Itoa(r.Misses), fmt.Sprintf("%.1f", mean), fmt.Sprintf("%.1f", r.Idle)}
}
