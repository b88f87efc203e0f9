package quic

import (
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// On a path with a delay, what counts is how soon windows grow. What it costs to read
// and write does not show in virtual time: BenchmarkThroughput measures that.
func TestPooledStreamsCarryAsMuchAsBareOnesOverADistance(t *testing.T) {
	if underRace {
		t.Skip("it is a measurement, and takes long under the race detector")
	}
	for _, conns := range []int{1, 8} {
		inWorld(t, func(t *testing.T, w *world) {
			conf := simtest.Certificate(t)
			socket := distant(t, 2*conns+2, rtt)
			kinds := [2][]flow{bareFlows(t, conf, socket, conns), pooledFlows(t, conf, socket, conns)}
			var ratios []float64
			for round := range 8 {
				var took [2]time.Duration
				for kind, flows := range kinds {
					took[kind] = run(t, flows, (1<<19)/chunk) // more would overflow queues, by chance
				}
				if round >= 4 { // windows have grown
					ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
				}
			}
			ratio := median(ratios)
			t.Logf("%d connections: %.3f", conns, ratio)
			if ratio < 0.97 {
				t.Errorf("%d connections carry %.3f of what bare ones do", conns, ratio)
			}
		})
	}
}
