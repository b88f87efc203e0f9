package sim_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vistone/poolkit/internal/document"
	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

func table(t *testing.T, name string, head ...string) document.Table {
	t.Helper()
	if underRace {
		t.Skip("many runs of one goroutine each")
	}
	return document.Table{File: "../../docs/sizing.md", Name: name, Head: head}
}

// documented checks that the document says what has been measured. Other processors
// round in other places, which may tip a run over to another.
func documented(t *testing.T, tb document.Table) {
	t.Helper()
	t.Logf("\n%v", &tb)
	if long() || runtime.GOARCH != "amd64" {
		return // of other runs than the document
	}
	for i, row := range tb.Documented(t) {
		if !slices.Equal(row, tb.Rows[i]) {
			t.Errorf("docs/sizing.md says %q, measured was %q; write it anew with POOLKIT_WRITE=1", row, tb.Rows[i])
		}
	}
}

// together is what several runs came to.
func together(runs []sim.Result) (all sim.Result) {
	for _, r := range runs {
		all.Length += r.Length
		all.Gets += r.Gets
		all.Misses += r.Misses
		all.Idle += r.Idle / float64(len(runs))
		all.Waits = append(all.Waits, r.Waits...)
	}
	slices.Sort(all.Waits)
	return all
}

// share writes a share in per cent with two digits that matter.
func share(f float64) string {
	switch p := 100 * f; {
	case p == 0:
		return "0"
	case p < 0.1:
		return fmt.Sprintf("%.3f", p)
	case p < 1:
		return fmt.Sprintf("%.2f", p)
	default:
		return fmt.Sprintf("%.1f", p)
	}
}

func idle(r sim.Result) string { return fmt.Sprintf("%.1f", r.Idle) }

func millis(d time.Duration) string { return fmt.Sprint(d.Round(ms).Milliseconds()) }

// over is what a run costs against another.
func over(a, b sim.Result) string { return fmt.Sprintf("%.2f", a.Cost(price)/b.Cost(price)) }

// With round trips of 100 ms, two runs of each workload.
func TestTheDocumentSaysWhatWorkloadsCost(t *testing.T) {
	tb := table(t, "workloads", "Demand",
		"original: misses %", "idle", "p99.9 ms",
		"Ladder: misses %", "idle", "p99.9 ms", "longest ms",
		"rate oracle: misses %", "idle", "cost of Ladder / rate oracle", "/ offline optimum")
	for _, w := range sim.Workloads() {
		var was, is, rate, best []sim.Result
		known := true
		for _, c := range usual() {
			if c.RTT != 100*ms || c.demand.Name != w.Name {
				continue
			}
			was = append(was, original{5, 100 * ms, time.Second}.run(c))
			is = append(is, c.ladder())
			best = append(best, c.Offline(c.demand, price))
			oracle, ok := c.RateOracle(c.demand, price)
			if known = ok; known {
				rate = append(rate, c.Run(c.demand, oracle))
			}
		}
		a, b, o := together(was), together(is), together(best)
		row := []string{
			w.Name, share(a.MissRatio()), idle(a), millis(a.Wait(0.999)),
			share(b.MissRatio()), idle(b), millis(b.Wait(0.999)), millis(b.Longest()),
		}
		if known {
			r := together(rate)
			row = append(row, share(r.MissRatio()), idle(r), over(b, r))
		} else {
			row = append(row, "–", "–", "–")
		}
		tb.Rows = append(tb.Rows, append(row, over(b, o)))
	}
	documented(t, tb)
}

func TestTheDocumentSaysWhatPricesMean(t *testing.T) {
	prices := []time.Duration{3 * time.Second, 10 * time.Second, 30 * time.Second, 100 * time.Second, 300 * time.Second}
	tb := table(t, "prices", "Demand")
	for _, p := range prices {
		tb.Head = append(tb.Head, fmt.Sprintf("%v: misses %%", p), "idle")
	}
	for i, h := range tb.Head {
		tb.Head[i] = strings.NewReplacer("1m40s", "100s", "5m0s", "300s").Replace(h)
	}
	for _, w := range sim.Workloads() {
		row := []string{w.Name}
		for _, p := range prices {
			var runs []sim.Result
			for _, seed := range []uint64{1, 2} {
				runs = append(runs, sim.World{RTT: 50 * ms, Seed: seed}.Run(w.Demand(seed), &sizing.Ladder{Price: p}))
			}
			r := together(runs)
			row = append(row, share(r.MissRatio()), idle(r))
		}
		tb.Rows = append(tb.Rows, row)
	}
	documented(t, tb)
}
