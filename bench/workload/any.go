package workload

import (
	"context"
	"fmt"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// anyMember is to take any member and give it back, where enough are idle.
var anyMember = []Workload{
	{
		Name: "any", Title: "Any member, one core",
		About: "Goroutines take any of 64 members and give it back at once. Hardly anyone ever waits.",
		Cores: 1, Clock: measure.CPU,
		Kinds: all, Base: subject.Puddle.Name,
		Cases: anyCases(uncancelled, 0.30, 0, 0),
		Shows: []Figure{mallocs},
	},
	{
		Name: "any-context", Title: "Any member, one core, under a context that can end",
		Cores: 1, Clock: measure.CPU,
		Kinds: all, Base: subject.Puddle.Name,
		Cases: anyCases(context.WithCancel, 0.30, 0, 0),
		Shows: []Figure{mallocs},
	},
	{
		Name: "any-2", Title: "Any member, two cores",
		About: "The same on two cores at once. The clock is the one on the wall, and how many cores were had decides how much the goroutines hindered each other.",
		Cores: 2, Clock: measure.Wall,
		Kinds: all, Base: subject.Puddle.Name,
		Cases: anyCases(uncancelled, 0, 0.60, 0.60),
		Shows: []Figure{mallocs, cores},
	},
	{
		Name: "any-2-context", Title: "Any member, two cores, under a context that can end",
		Cores: 2, Clock: measure.Wall,
		Kinds: all, Base: subject.Puddle.Name,
		Cases: anyCases(context.WithCancel, 0, 0.60, 0.60),
		Shows: []Figure{mallocs, cores},
	},
}

// pools are all who can let somebody wait for any member.
var pools = []subject.Kind{
	subject.Poolkit, subject.Puddle, subject.Commons, subject.SQL, subject.Channel, subject.IDMap,
}

var all = append(pools[:len(pools):len(pools)], subject.Mutex, subject.CAS)

// A contextFunc is like context.WithCancel.
type contextFunc func(context.Context) (context.Context, context.CancelFunc)

func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }

// anyCases are of 1, 64 and 1024 goroutines, with a goal for each.
func anyCases(with contextFunc, goals ...float64) []Case {
	var cs []Case
	for i, workers := range []int{1, 64, 1024} {
		cs = append(cs, Case{
			Label: goroutines(workers), Members: 64, Most: goals[i],
			Prepare: func(p subject.Pool) measure.Run { return takeAndGive(p, workers, with) },
		})
	}
	return cs
}

func goroutines(n int) string {
	if n == 1 {
		return "1 goroutine"
	}
	return fmt.Sprintf("%d goroutines", n)
}

func takeAndGive(p subject.Pool, workers int, with contextFunc) measure.Run {
	ws := each[subject.Worker](p, workers)
	return func(d time.Duration) measure.Tally {
		ctx, cancel := with(context.Background())
		defer cancel()
		return measure.Crowd(workers, d, func(i int, over *measure.Bell) (n int) {
			for w := ws[i]; !over.Rung(); n++ {
				take(ctx, w)
				w.Give()
			}
			return n
		})
	}
}
