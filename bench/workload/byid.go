package workload

import (
	"context"
	"fmt"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// byID is to take a certain member and give it back.
var byID = []Workload{
	{
		Name: "by-id", Title: "By ID, one core",
		About: "One goroutine takes members by ID, by chance, and gives each back at once.",
		Cores: 1, Clock: measure.CPU,
		Kinds: keyed, Base: subject.IDMap.Name,
		Cases: []Case{byIDCase(1<<10, 1, 0), byIDCase(1<<13, 1, 0.35), byIDCase(1<<16, 1, 0.60)},
		Shows: []Figure{mallocs},
	},
	{
		Name: "by-id-2", Title: "By ID, two cores",
		About: "64 goroutines do so on two cores, each with members that no other takes.",
		Cores: 2, Clock: measure.Wall,
		Kinds: keyed, Base: subject.IDMap.Name,
		Cases: []Case{byIDCase(1<<10, 64, 0), byIDCase(1<<13, 64, 0), byIDCase(1<<16, 64, 0)},
		Shows: []Figure{mallocs, cores},
	},
}

// keyed are those whose members have IDs.
var keyed = []subject.Kind{subject.Poolkit, subject.IDMap}

func byIDCase(members, workers int, goal float64) Case {
	return Case{
		Label: fmt.Sprintf("%d members", members), Members: members, Most: goal,
		Prepare: func(p subject.Pool) measure.Run { return takeByID(p, members, workers) },
	}
}

// takeByID lets each worker take members whose number is its own modulo workers, by chance.
// In an order that repeats itself each would find the next beside it, where it was put last.
// Both numbers are powers of two.
func takeByID(p subject.Pool, members, workers int) measure.Run {
	ws := each[subject.Keyed](p, workers)
	return func(d time.Duration) measure.Tally {
		return measure.Crowd(workers, d, func(i int, over *measure.Bell) (n int) {
			at := uint64(i)
			for w := ws[i]; !over.Rung(); n++ {
				at = at*6364136223846793005 + 1442695040888963407 // Knuth's; its high bits are good
				takeID(context.Background(), w, subject.Name(int(at>>32)&(members/workers-1)*workers+i))
				w.Give()
			}
			return n
		})
	}
}
