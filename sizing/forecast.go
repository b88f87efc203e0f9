package sizing

import (
	"math"
	"time"
)

// forecast is how many rungs takes need that go on at their present rate.
type forecast struct {
	rate  float64 // of takes, a second
	floor int     // rungs worth holding

	fast, slow float64 // averages of the rate
	spread     spread
	rung       int // what floor was found from
}

const (
	// The rate is averaged over eight lead times, and not less than a tenth of a second.
	// Where it is above the average over the price, two takes at that one are added, so
	// that it takes more than a chance bunch to believe in it.
	fastLeads   = 8
	fastest     = 0.1 // seconds
	disbelieved = 2   // takes
)

func (f *forecast) step(takes, most int, elapsed, lead, price time.Duration) {
	if elapsed <= 0 {
		return
	}
	tau := max(fastLeads*seconds(lead), fastest)
	now := float64(takes) / seconds(elapsed)
	f.fast = now + (f.fast-now)*kept(seconds(elapsed)/tau)
	f.slow = now + (f.slow-now)*kept(seconds(elapsed)/seconds(price))
	f.rate = f.fast
	if f.fast > f.slow {
		f.rate = min(f.fast, f.slow*(f.fast*tau+disbelieved)/(f.slow*tau+disbelieved))
	}
	if f.spread.step(takes, elapsed, lead, f.rate) { // once in a lead time
		f.find(most, lead, price)
	}
}

// seconds is d.Seconds without the last digits.
func seconds(d time.Duration) float64 { return float64(d) * 1e-9 }

// kept is nearly exp(−x), in a third of the time.
func kept(x float64) float64 { return 1 / (1 + x + x*x/2) }

// find looks for the highest rung, up to most, that is needed once in price or more often. The k-th
// is needed when a take comes while k−1 replacements are on their way: with a rate of
// r and m on their way on average, r × P(Poisson(m) = k−1) times a second. Takes that
// come in bunches are reckoned with as fewer takes of more members each.
func (f *forecast) find(most int, lead, price time.Duration) {
	bunch := f.spread.ratio()
	rate, mean := f.rate/bunch, f.rate*seconds(lead)/bunch
	least := bunch / (seconds(price) * rate)
	if mean <= 0 || least >= 1 {
		f.floor = 0
		return
	}
	if mean >= float64(most) {
		f.rung, f.floor = most, int(min(bunch*mean, math.MaxInt32))
		return
	}
	// Probabilities fall from the mean upwards: walk from the rung found last.
	mode := int(mean) + 1
	k := max(f.rung, mode)
	p := poisson(mean, k-1)
	if p == 0 { // too far away to walk
		k, p = mode, poisson(mean, mode-1)
	}
	for p >= least && k <= most {
		p *= mean / float64(k)
		k++
	}
	for k > mode && p < least {
		k--
		p *= float64(k) / mean
	}
	if p < least {
		k = 0
	}
	f.rung = k
	f.floor = int(bunch*float64(k) + 0.5)
}

// poisson is the probability of n where mean is expected.
func poisson(mean float64, n int) float64 {
	if n <= 12 { // then multiplying is faster
		p := math.Exp(-mean)
		for i := range n {
			p *= mean / float64(i+1)
		}
		return p
	}
	return math.Exp(float64(n)*math.Log(mean) - mean - logFactorial(n))
}

const logRootTau = 0.9189385332046727 // of √2π

// logFactorial is Stirling's series, good to 0.0005 for n = 1, and 0.0000013 for the n > 12 that it is used for.
func logFactorial(n int) float64 {
	x := float64(n)
	return (x+0.5)*math.Log(x) - x + logRootTau + 1/(12*x)
}

// spread is by how much the takes of a lead time vary: the variance over the mean,
// which is 1 where they come independently of each other, and about the size of
// the bunches where they come in such.
type spread struct {
	since             time.Duration
	takes             int
	variance, average float64
}

const (
	spreadOver  = 10 * time.Second
	spreadPrior = 30 // takes that are taken for independent beforehand
)

// step reports whether a lead time has been completed.
func (s *spread) step(takes int, elapsed, lead time.Duration, rate float64) bool {
	s.since += elapsed
	s.takes += takes
	if s.since < lead {
		return false
	}
	keep := kept(float64(s.since) / float64(spreadOver))
	mean := rate * seconds(s.since)
	off := float64(s.takes) - mean
	s.variance = s.variance*keep + off*off
	s.average = s.average*keep + mean
	s.since, s.takes = 0, 0
	return true
}

func (s *spread) ratio() float64 {
	return max(1, (s.variance+spreadPrior)/(s.average+spreadPrior))
}
