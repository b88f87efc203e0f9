package workload

import (
	"context"
	"runtime"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// starved is to take the only member, which many want.
var starved = []Workload{
	{
		Name: "starved", Title: "One member for many, one core",
		About: "Goroutines take the only member, let others run, and give it back. *Most : least* is how many times as often the luckiest goroutine got it as the unluckiest.",
		Cores: 1, Clock: measure.CPU,
		Kinds: pools, Base: subject.Puddle.Name,
		Cases: []Case{starvedCase(64, 0.70), starvedCase(1024, 0)},
		Shows: []Figure{fairness, mallocs},
	},
	{
		Name: "starved-2", Title: "One member for many, two cores",
		Cores: 2, Clock: measure.Wall,
		Kinds: pools, Base: subject.Puddle.Name,
		Cases: []Case{starvedCase(64, 0), starvedCase(1024, 0)},
		Shows: []Figure{fairness, mallocs, cores},
	},
}

func starvedCase(workers int, goal float64) Case {
	return Case{
		Label: goroutines(workers), Members: 1, Most: goal,
		Prepare: func(p subject.Pool) measure.Run { return takeAndYield(p, workers) },
	}
}

func takeAndYield(p subject.Pool, workers int) measure.Run {
	ws := each[subject.Worker](p, workers)
	return func(d time.Duration) measure.Tally {
		return measure.Crowd(workers, d, func(i int, over *measure.Bell) (n int) {
			for w := ws[i]; !over.Rung(); n++ {
				take(context.Background(), w)
				runtime.Gosched()
				w.Give()
			}
			return n
		})
	}
}
