package workload

import (
	"context"
	"runtime"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// handOff is two who pass the only member to each other.
var handOff = []Workload{
	{
		Name: "hand-off", Title: "From hand to hand, one core",
		About: "Two goroutines share the only member: each giving ends the other's wait. The waits are measured from the giving to the other's having it, one in sixteen.",
		Cores: 1, Clock: measure.CPU,
		Kinds: pools, Base: subject.Puddle.Name,
		Cases: []Case{{Label: "a hand-off", Members: 1, Most: 0.95, Prepare: pass}},
		Shows: []Figure{median, slowest, mallocs},
	},
	{
		Name: "hand-off-2", Title: "From hand to hand, two cores",
		Cores: 2, Clock: measure.Wall,
		Kinds: pools, Base: subject.Puddle.Name,
		Cases: []Case{{Label: "a hand-off", Members: 1, Prepare: pass}},
		Shows: []Figure{median, slowest, mallocs, cores},
	},
}

// timed is one in how many hand-offs has its wait measured: two readings of the clock cost
// a fourth of a hand-off.
const timed = 16

func pass(p subject.Pool) measure.Run {
	ws := each[subject.Worker](p, 2)
	return func(d time.Duration) measure.Tally {
		var (
			waits = make([]time.Duration, 0, d/(timed*100)) // room for one each 100 ns; belongs, as does the rest, to who has the member
			given time.Time
			giver = -1
		)
		t := measure.Crowd(len(ws), d, func(i int, over *measure.Bell) (n int) {
			for w := ws[i]; !over.Rung(); n++ {
				take(context.Background(), w)
				if giver == 1-i && !given.IsZero() {
					waits = append(waits, time.Since(given))
				}
				runtime.Gosched()
				giver, given = i, time.Time{}
				if n%timed == 0 {
					given = time.Now()
				}
				w.Give()
			}
			return n
		})
		t.Waits = waits
		return t
	}
}
