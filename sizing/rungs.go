package sizing

import (
	"math"
	"math/bits"
	"time"
)

// rungs is which spares are held because they have been needed.
type rungs struct {
	needed   int             // now: those below it are in use
	held     int             // those below it are in use or held
	released []time.Duration // when each was last in use; of those that are, when before
	hold     time.Duration   // for how long each is held
	gaps     gaps
	learnt   time.Duration // when hold was last judged
}

// longAgo is when a rung was last needed that never was.
const longAgo = time.Duration(math.MinInt64 / 2)

// step notes how many are needed now. Those that are no longer were needed until since.
func (r *rungs) step(needed, low, high int, now, since, price time.Duration) {
	for len(r.released) < high { // in the first step, and when the bound is raised
		r.released = append(r.released, longAgo)
	}
	for ; r.needed > needed; r.needed-- {
		r.released[r.needed-1] = since
	}
	for ; r.needed < needed; r.needed++ {
		r.gaps.add(now - r.released[r.needed])
	}
	if r.hold == 0 || now-r.learnt >= price/learnsPerPrice {
		r.hold, r.learnt = r.gaps.judge(price), now
	}
	r.held = min(max(r.held, needed), high)
	for r.held > max(needed, low) && now-r.released[r.held-1] > r.hold {
		r.held--
	}
}

// unneeded is how long ago the highest rung was needed.
func (r *rungs) unneeded(now time.Duration) time.Duration {
	if r.held <= r.needed {
		return 0
	}
	return now - r.released[r.held-1]
}

// due is when the highest rung is given up.
func (r *rungs) due(now time.Duration, low int) time.Duration {
	if r.held <= max(r.needed, low) {
		return math.MaxInt64
	}
	return r.hold - r.unneeded(now)
}

// gaps is for how long rungs were not needed, until they were again. The newest
// count most: half of the weight is of what came in the last one and a half prices.
type gaps struct {
	count [40]float64 // by half octaves from 1 ms
	total float64
}

const (
	learnsPerPrice = 4
	forget         = 0.88 // at each of them
	enough         = 32   // gaps to learn from

	// A rung is held for a fourth of the price at least. That costs five times at most
	// what knowing the future would, however wrong the experience is.
	shortestHold = 4
)

// classes are the half octaves of gaps.
var classes = func() (cs [len(gaps{}.count)]struct {
	middle float64 // seconds
	end    time.Duration
},
) {
	for i := range cs {
		cs[i].middle = math.Exp2((float64(i)+0.5)/2) / 1000
		cs[i].end = time.Duration(math.Exp2(float64(i+1)/2) * float64(time.Millisecond))
	}
	return cs
}()

func (g *gaps) add(gap time.Duration) {
	g.count[halfOctave(gap)]++
	g.total++
}

// halfOctave returns in which class a gap is: 0 up to 1 ms, and two for each doubling.
func halfOctave(gap time.Duration) int {
	ms := uint64(max(gap, time.Millisecond)) / uint64(time.Millisecond)
	octave := bits.Len64(ms) - 1
	class := 2 * octave
	if float64(ms)*(1/math.Sqrt2) >= float64(uint64(1)<<octave) {
		class++
	}
	return min(class, len(gaps{}.count)-1)
}

// judge returns for how long it would have been best to hold rungs: each gap up to
// that would have cost its length, each longer one that and the price.
func (g *gaps) judge(price time.Duration) time.Duration {
	for i := range g.count {
		g.count[i] *= forget
	}
	g.total *= forget
	if g.total < enough {
		return price
	}
	var (
		best   = price
		least  = math.Inf(1)
		inside = 0. // what the gaps cost that end in time
		beyond = g.total
	)
	for i, n := range g.count {
		inside += n * classes[i].middle
		beyond -= n
		hold := min(classes[i].end, price)
		if hold < price/shortestHold {
			continue
		}
		if cost := inside + beyond*seconds(hold+price); cost < least {
			least, best = cost, hold
		}
		if hold == price {
			break
		}
	}
	return best
}
