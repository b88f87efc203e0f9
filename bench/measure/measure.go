// Package measure compares things that do the same. It runs them in rounds, each of
// which runs all of them, in an order that changes from round to round: whatever
// disturbs the machine disturbs them alike. What counts is the ratio of two in the
// same round, and of these the median.
package measure

import (
	"runtime"
	"time"
)

// Effort says how much to measure.
type Effort struct {
	Rounds int
	Length time.Duration // of one run in one round
	Smoke  bool          // only to see whether it works: the numbers mean nothing
}

// A Run does something over and over for about that long.
type Run func(time.Duration) Tally

// Tally is what a run did.
type Tally struct {
	Ops    int
	Shares []int           // how many of Ops each worker did
	Waits  []time.Duration // how long some of them took
}

// Sample is a run and what it cost.
type Sample struct {
	Tally
	Wall, CPU time.Duration
	Mallocs   uint64
}

// Series is one run in all rounds.
type Series []Sample

// Compare runs all of runs, on so many cores. In earnest an unrecorded round comes first,
// in which everything grows to its size.
func Compare(e Effort, cores int, runs []Run) []Series {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	all := make([]Series, len(runs))
	warming := 1
	if e.Smoke {
		warming = 0
	}
	for round := range warming + e.Rounds {
		for i := range runs {
			k := (i + round) % len(runs)
			if round%2 > 0 {
				k = len(runs) - 1 - k
			}
			if !e.Smoke {
				settle(cores)
			}
			s := sample(runs[k], e.Length)
			if round >= warming {
				all[k] = append(all[k], s)
			}
		}
	}
	return all
}

func sample(run Run, length time.Duration) Sample {
	runtime.GC() // what one has left behind is not the next one's to clear away
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun, used := time.Now(), cpu()
	t := run(length)
	s := Sample{Tally: t, Wall: time.Since(begun), CPU: cpu() - used}
	runtime.ReadMemStats(&after)
	s.Mallocs = after.Mallocs - before.Mallocs
	return s
}
