package workload

import (
	"context"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/subject"
)

// fresh is members that serve once.
var fresh = []Workload{{
	Name: "fresh", Title: "Fresh IDs, one core",
	About: "One goroutine takes the oldest of 8192 members by its ID and ends it; another comes, under an ID that nobody has had. A pool dials it on a goroutine of its own, while the map just gets another entry.",
	Cores: 1, Clock: measure.CPU,
	Kinds: keyed, Base: subject.IDMap.Name,
	Cases: []Case{{Label: "8192 members", Members: 1 << 13, Prepare: useUp}},
	Shows: []Figure{mallocs},
}}

func useUp(p subject.Pool) measure.Run {
	w, next := p.Worker().(subject.Keyed), 0
	return func(d time.Duration) (t measure.Tally) {
		for over := measure.After(d); !over.Rung(); t.Ops++ {
			takeID(context.Background(), w, subject.Name(next))
			w.Renew()
			next++
		}
		return t
	}
}
