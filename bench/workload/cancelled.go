package workload

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// waiters is how many give up at once.
const waiters = 1024

// cancelled is to wait in vain.
var cancelled = []Workload{
	{
		Name: "cancelled", Title: "A thousand give up at once, one core",
		About: "1024 new goroutines wait for the only member, which is in use, until their context ends. It is the cost of each, its beginning and end included.",
		Cores: 1, Clock: measure.CPU,
		Kinds: pools, Base: subject.Puddle.Name,
		Cases: []Case{{Label: "a wait in vain", Members: 1, Most: 1.25, Prepare: giveUp}},
		Shows: []Figure{mallocs},
	},
	{
		Name: "cancelled-2", Title: "A thousand give up at once, two cores",
		Cores: 2, Clock: measure.Wall,
		Kinds: pools, Base: subject.Puddle.Name,
		Cases: []Case{{Label: "a wait in vain", Members: 1, Prepare: giveUp}},
		Shows: []Figure{mallocs, cores},
	},
}

func giveUp(p subject.Pool) measure.Run {
	holder, ws := p.Worker(), each[subject.Worker](p, waiters)
	return func(d time.Duration) (t measure.Tally) {
		take(context.Background(), holder)
		for over := measure.After(d); !over.Rung(); t.Ops += waiters {
			storm(ws)
		}
		holder.Give()
		take(context.Background(), holder) // or somebody has kept it
		holder.Give()
		return t
	}
}

func storm(ws []subject.Worker) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var come atomic.Int64
	var wg sync.WaitGroup
	for _, w := range ws {
		wg.Go(func() {
			come.Add(1)
			if w.Take(ctx) == nil {
				panic("two have the only member")
			}
		})
	}
	for come.Load() < int64(len(ws)) {
		runtime.Gosched()
	}
	runtime.Gosched() // those that were interrupted between their coming and their wait
	cancel()
	wg.Wait()
}
