package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

// What a Ladder costs where members come back, against knowing all takes. The shorter
// they are used, the more the one that always stands ready beside those in use counts.
func TestTheDocumentSaysWhatMembersThatComeBackCost(t *testing.T) {
	tb := table(t, "returns", "Members are used for", "misses %", "idle", "cost / offline optimum", "worst", "in")
	for _, use := range []struct {
		mean          time.Duration
		average, most float64
	}{{10 * ms, 1.6, 7}, {100 * ms, 1.4, 2.5}, {time.Second, 1.2, 2}} {
		var r ratios
		var all []sim.Result
		for _, c := range usual() {
			if c.demand.Name == "poisson-1000" && use.mean == time.Second {
				continue // as many in use as there may be
			}
			d := c.demand.Reused(use.mean, c.Seed)
			got := c.Run(d, &sizing.Ladder{Price: price})
			best := c.Offline(d, price)
			r.add(c, got.Cost(price)/best.Cost(price))
			all = append(all, got)
		}
		r.atMost(t, fmt.Sprintf("used for %v, cost over the offline optimum", use.mean), use.average, use.most)
		sum := together(all)
		tb.Rows = append(tb.Rows, []string{
			use.mean.String(), share(sum.MissRatio()), idle(sum),
			fmt.Sprintf("%.2f", r.mean()), fmt.Sprintf("%.2f", r.worst), r.where.demand.Name,
		})
	}
	documented(t, tb)
}

// A pool that keeps ten opens ten, also when it begins.
func TestAPoolWhoseMembersComeBackBeginsWithTheLeast(t *testing.T) {
	for _, least := range []int{1, 10, 100} {
		w := sim.World{RTT: 20 * ms, MinCapacity: least}
		d := sim.Demand{Workload: sim.Workload{Name: "nothing", Length: 2 * time.Minute}, Uses: []time.Duration{}}
		if r := w.Run(d, &sizing.Ladder{}); r.Created != least || r.Wasted > 0 {
			t.Errorf("of %d, %d were made and %d closed again", least, r.Created, r.Wasted)
		}
	}
}
