package workload

import (
	"context"
	"runtime"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// waitID is to wait for a certain member.
var waitID = []Workload{
	{
		Name: "wait-id", Title: "Waiting by ID, one core",
		About: "A goroutine waits for the member that another has and gives back. The waits are measured from the giving. The map cannot be waited for: one looks again after 50 ms.",
		Cores: 1, Clock: measure.Wall,
		Kinds: keyed, Base: subject.IDMap.Name,
		Cases: []Case{{Label: "a wait", Members: 1, Prepare: passByID}},
		Shows: []Figure{median, slowest, mallocs},
	},
	{
		Name: "wait-id-2", Title: "Waiting by ID, two cores",
		Cores: 2, Clock: measure.Wall,
		Kinds: keyed, Base: subject.IDMap.Name,
		Cases: []Case{{Label: "a wait", Members: 1, Prepare: passByID}},
		Shows: []Figure{median, slowest, mallocs, cores},
	},
}

func passByID(p subject.Pool) measure.Run {
	ctx, only := context.Background(), subject.Name(0)
	giver, waiter := p.Worker().(subject.Keyed), p.Worker().(subject.Keyed)
	return func(d time.Duration) (t measure.Tally) {
		wanted := make(chan struct{}) // one for each member to wait for; closed at the end
		had := make(chan time.Time)   // when the waiter had it, and has given it back
		go func() {
			for range wanted {
				takeID(ctx, waiter, only)
				at := time.Now()
				waiter.Give()
				had <- at
			}
			close(had)
		}()
		for over := measure.After(d); !over.Rung(); t.Ops++ {
			takeID(ctx, giver, only)
			wanted <- struct{}{}
			for range 8 {
				runtime.Gosched() // until it waits
			}
			given := time.Now()
			giver.Give()
			t.Waits = append(t.Waits, (<-had).Sub(given))
		}
		close(wanted)
		<-had
		return t
	}
}
