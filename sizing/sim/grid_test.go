package sim_test

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
	"github.com/vistone/poolkit/sizing/sim"
)

const (
	ms    = time.Millisecond
	price = 30 * time.Second
)

// long reports whether to take minutes and not seconds.
func long() bool { return os.Getenv("POOLKIT_LONG") != "" }

// cell is one workload in one world.
type cell struct {
	sim.World
	demand sim.Demand
	ladder func() sim.Result // what a Ladder comes to there, reckoned once for all tests
}

func (c cell) String() string {
	return fmt.Sprintf("%s, round trips of %v, seed %d", c.demand.Name, c.RTT, c.Seed)
}

func newCell(w sim.World, d sim.Demand) cell {
	return cell{w, d, sync.OnceValue(func() sim.Result { return w.Run(d, &sizing.Ladder{Price: price}) })}
}

// usual is the grid that policies are judged on: every workload on round trips of 20 and
// 100 ms, with two seeds, or ten in a long run.
var usual = sync.OnceValue(func() (cells []cell) {
	rtts, seeds := []time.Duration{20 * ms, 100 * ms}, 2
	switch {
	case underRace: // which finds nothing in one goroutine
		rtts, seeds = rtts[1:], 1
	case long():
		seeds = 10
	}
	for _, rtt := range rtts {
		for _, w := range sim.Workloads() {
			for seed := range seeds {
				world := sim.World{RTT: rtt, Seed: uint64(seed + 1), MaxCapacity: 1024}
				cells = append(cells, newCell(world, w.Demand(world.Seed)))
			}
		}
	}
	return cells
})

// each calls f with every cell, several at once.
func each(cells []cell, f func(cell)) {
	next := make(chan cell) // sent to by each, which closes it
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range next {
				f(c)
			}
		})
	}
	for _, c := range cells {
		next <- c
	}
	close(next)
	wg.Wait()
}

// ratios gathers how many times as much something costs as something else.
type ratios struct {
	mu    sync.Mutex
	n     int
	log   float64
	worst float64
	where cell
}

func (r *ratios) add(c cell, ratio float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	r.log += math.Log(ratio)
	if ratio > r.worst {
		r.worst, r.where = ratio, c
	}
}

// mean is the geometric mean.
func (r *ratios) mean() float64 { return math.Exp(r.log / float64(r.n)) }

func (r *ratios) String() string {
	return fmt.Sprintf("%.2f times on average, %.2f at worst (%v)", r.mean(), r.worst, r.where)
}

// atMost checks an average and a worst case, and logs them.
func (r *ratios) atMost(t *testing.T, what string, mean, worst float64) {
	t.Helper()
	t.Logf("%s: %v", what, r)
	if r.mean() > mean || r.worst > worst {
		t.Errorf("%s: %v; want %.2f and %.2f at most", what, r, mean, worst)
	}
}
