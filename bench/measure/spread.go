package measure

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Spread is a number of each round: the median of them, and between which the middle
// eight in ten are.
type Spread struct{ Low, Median, High float64 }

// SpreadOf returns the spread of the numbers in v, which it sorts.
func SpreadOf(v []float64) Spread {
	slices.Sort(v)
	return Spread{quantile(v, 0.1), quantile(v, 0.5), quantile(v, 0.9)}
}

// quantile returns the number that at least the given share of the sorted v is not above.
func quantile[T cmp.Ordered](v []T, share float64) T {
	if len(v) == 0 {
		var none T
		return none
	}
	return v[max(int(math.Ceil(share*float64(len(v)))), 1)-1]
}

// Clock says which time of a sample counts.
type Clock func(Sample) time.Duration

// The clocks. Neighbours on the machine do not disturb that of the processor, but it
// does not notice waits: so it is for one core that is always busy.
var (
	CPU   Clock = func(s Sample) time.Duration { return s.CPU }
	Wall  Clock = func(s Sample) time.Duration { return s.Wall }
	First Clock = func(s Sample) time.Duration { return s.Waits[0] } // what the run itself has measured
)

// each returns a number of every round.
func (s Series) each(f func(Sample) float64) Spread {
	v := make([]float64, len(s))
	for i := range s {
		v[i] = f(s[i])
	}
	return SpreadOf(v)
}

// Cost returns the nanoseconds that one operation took.
func (s Series) Cost(c Clock) Spread {
	return s.each(func(s Sample) float64 { return cost(s, c) })
}

func cost(s Sample, c Clock) float64 { return float64(c(s)) / float64(max(1, s.Ops)) }

// Over returns the cost as a multiple of what base cost in the same round.
func (s Series) Over(base Series, c Clock) Spread {
	v := make([]float64, len(s))
	for i := range s {
		v[i] = cost(s[i], c) / cost(base[i], c)
	}
	return SpreadOf(v)
}

// Rate returns the operations of one second.
func (s Series) Rate(c Clock) Spread {
	return s.each(func(s Sample) float64 { return 1e9 / cost(s, c) })
}

// Of returns the rate as a multiple of base's in the same round.
func (s Series) Of(base Series, c Clock) Spread { return base.Over(s, c) }

// Mallocs returns the allocations of one operation.
func (s Series) Mallocs() float64 {
	return s.each(func(s Sample) float64 { return float64(s.Mallocs) / float64(max(1, s.Ops)) }).Median
}

// Cores returns how many processors were had on average.
func (s Series) Cores() float64 {
	return s.each(func(s Sample) float64 { return float64(s.CPU) / float64(s.Wall) }).Median
}

// Unfairness returns how many times as much the luckiest worker did as the unluckiest.
func (s Series) Unfairness() float64 {
	return s.each(func(s Sample) float64 {
		return float64(slices.Max(s.Shares)) / float64(max(1, slices.Min(s.Shares)))
	}).Median
}

// Wait returns what the given share of the waits did not exceed, over all rounds, and
// whether there were any.
func (s Series) Wait(share float64) (d time.Duration, ok bool) {
	var all []time.Duration
	for _, sample := range s {
		all = append(all, sample.Waits...)
	}
	slices.Sort(all)
	return quantile(all, share), len(all) > 0
}
