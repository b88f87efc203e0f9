package sim

import "math"

// random is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): a source of chance whose
// whole state is one word, so that a seed is all there is to note.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform is in [0, 1).
func (r *random) uniform() float64 { return float64(r.next()>>11) / (1 << 53) }

// exp is exponential with mean 1.
func (r *random) exp() float64 { return -math.Log(1 - r.uniform()) }

// pareto has the given least value, and a tail that falls with the power of alpha.
func (r *random) pareto(least, alpha float64) float64 {
	return least * math.Pow(1-r.uniform(), -1/alpha)
}

// geometric is 1 or more, with the given mean.
func (r *random) geometric(mean float64) int {
	return 1 + int(math.Log(1-r.uniform())/math.Log1p(-1/mean))
}
