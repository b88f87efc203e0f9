package sizing

import "time"

// The steps and thresholds of the documented rule.
const (
	intervalStep = 100 * time.Millisecond
	capacityStep = 1
	low, high    = 0.2, 0.8
)

// Stepwise is the documented rule. Each step moves two numbers by at most one
// notch, within their bounds:
//
//   - The interval between steps falls by 100 ms when fewer than 20 % of the
//     target stand idle, and rises by 100 ms when more than 80 % do.
//   - The target rises by one when the step saw at least 80 % of it created anew,
//     and falls by one when at most 20 % could be created of what was attempted.
//
// A full and healthy pool, in which nothing needs creating, keeps its target.
//
// The zero value starts at the lower bounds. Set the interval's bounds before
// the first step.
type Stepwise struct {
	MinInterval, MaxInterval time.Duration

	capacity int
	interval time.Duration
}

// Step implements [Policy].
func (s *Stepwise) Step(o Observation) Decision {
	capacity := clamp(s.capacity, o.MinCapacity, o.MaxCapacity)
	interval := clamp(s.interval, s.MinInterval, s.MaxInterval)

	share := float64(o.Idle) / float64(max(capacity, 1))
	switch {
	case o.Elapsed == 0: // the first step: there is nothing to judge yet
	case share < low:
		interval -= intervalStep
	case share > high:
		interval += intervalStep
	}

	created, failed := float64(o.Created), float64(o.Failed)
	why := "staying at {n}"
	switch {
	case created >= high*float64(capacity) && o.Created > 0:
		capacity += capacityStep
		why = "one more, {n}: most of the target has been created anew"
	case o.Failed > 0 && created <= low*(created+failed):
		capacity -= capacityStep
		why = "one less, {n}: creations fail"
		if capacity < o.MinCapacity {
			capacity, why = o.MinCapacity, "{n} is the least: creations fail"
		}
	}

	before := *s
	s.capacity = clamp(capacity, o.MinCapacity, o.MaxCapacity)
	s.interval = clamp(interval, s.MinInterval, s.MaxInterval)
	quiet := o.Created == 0 && o.Failed == 0 && o.Takes == 0
	return Decision{
		Target: s.capacity, Wait: s.interval, Settled: quiet && *s == before,
		Reason: Reason{Text: why, N: capacity, Cut: s.cut(capacity)},
	}
}

// cut is the upper bound if more is wanted.
func (s *Stepwise) cut(wanted int) int {
	if s.capacity < wanted {
		return s.capacity
	}
	return 0
}
