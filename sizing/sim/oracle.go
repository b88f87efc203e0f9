package sim

import (
	"math"
	"slices"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// Offline is what holding or dropping members costs at least for whoever knows all
// takes beforehand, but makes no member ready that has never been needed before.
//
// The k-th spare is needed while the replacements of k takes are on their way, or,
// where members come back, while k are in use. Between two times that it is needed it
// stands idle, or is closed and then missed. So each gap costs its length or the price,
// whatever is less.
func (w World) Offline(d Demand, price time.Duration) Result {
	w = w.withDefaults()
	var (
		r        = Result{Length: d.Length - d.WarmUp}
		idle     time.Duration
		released = make([]time.Duration, w.MaxCapacity)
		known    = make([]bool, w.MaxCapacity) // was needed before
		needed   heap
	)
	release := func(until time.Duration) {
		for len(needed) > 0 && needed[0].due <= until {
			at := needed.pop().due
			if k := len(needed); k < w.MaxCapacity {
				released[k], known[k] = at, true
			}
		}
	}
	for i, now := range d.Takes {
		release(now)
		k := len(needed)
		held := k < w.MaxCapacity && (k < w.MinCapacity || known[k] && now-released[k] <= price)
		if now >= d.WarmUp {
			r.Gets++
			if held {
				idle += now - max(released[k], d.WarmUp)
			} else {
				r.Misses++
			}
		}
		use := w.Lead()
		if d.Uses != nil {
			use = d.Uses[i]
		}
		needed.push(creation{due: now + use})
	}
	release(d.Length)
	for k := len(needed); k < w.MinCapacity; k++ {
		idle += d.Length - max(released[k], d.WarmUp)
	}
	r.Idle = float64(idle) / float64(r.Length)
	return r
}

// Clairvoyant is what a pool costs at least that knows all takes beforehand, but not
// how long members take to be made: it begins to make one for each, some time before,
// and the time is the best for all of them.
func (w World) Clairvoyant(d Demand, price time.Duration) Result {
	w = w.withDefaults()
	chance := random(w.Seed*7919 + 17)
	made := make([]time.Duration, len(d.Takes)) // when, if begun at the take
	for i, take := range d.Takes {
		made[i] = take
		for fails := true; fails; {
			var lasts time.Duration
			lasts, fails = w.creation(&chance)
			made[i] += lasts
		}
	}
	slices.Sort(made)
	var best Result
	for n := range 151 { // from one round trip to four
		ahead := w.RTT * time.Duration(50+n) / 50
		if r := foresee(d, made, ahead); best.Length == 0 || r.Cost(price) < best.Cost(price) {
			best = r
		}
	}
	return best
}

// foresee is a run in which the making of a member begins that long before each take.
func foresee(d Demand, made []time.Duration, ahead time.Duration) Result {
	r := Result{Length: d.Length - d.WarmUp}
	idle := time.Duration(0)
	for i, take := range d.Takes {
		if take < d.WarmUp {
			continue
		}
		r.Gets++
		if wait := made[i] - ahead - take; wait > 0 {
			r.Misses++
			r.Waits = append(r.Waits, wait)
		} else {
			idle -= wait
		}
	}
	slices.Sort(r.Waits)
	r.Idle = float64(idle) / float64(r.Length)
	return r
}

// RateOracle is the policy that knows the rate of takes, past and future, but not when
// they come. No forecaster of a Poisson process can do better. It holds the k-th
// spare as long as it is needed once in price or more often. It knows nothing of
// demand that is not drawn from rates, as that of the workload batch.
type RateOracle struct {
	demand     intensity
	lead       time.Duration
	price      time.Duration
	now        time.Duration
	here, next int // the pieces of demand that now and a lead time later are in
}

// RateOracle returns an oracle for a demand in this world. It reports false if the
// demand has no rate.
func (w World) RateOracle(d Demand, price time.Duration) (*RateOracle, bool) {
	return &RateOracle{demand: d.intensity, lead: w.Lead(), price: price}, d.intensity != nil
}

// Step implements [sizing.Policy].
func (p *RateOracle) Step(o sizing.Observation) sizing.Decision {
	p.now += o.Elapsed
	// What is ordered now is there in a lead time, for the takes of the one after.
	at := p.now + p.lead
	p.here, p.next = p.demand.after(p.here, p.now), p.demand.after(p.next, at)
	mean := p.demand.expected(p.next, at) - p.demand.expected(p.here, p.now)
	d := sizing.Decision{Target: rungs(p.demand[p.next].rate, mean, p.price), Wait: p.lead / 8}
	if p.here == p.next {
		d.Wait = p.demand.end(p.next) - at
	}
	return d
}

// rungs is how many spares are needed once in price or more often, where the number
// that is needed at once has a Poisson distribution.
func rungs(rate, mean float64, price time.Duration) int {
	if rate <= 0 || mean <= 0 {
		return 0
	}
	// The k-th is needed when a take comes while k-1 are: rate × P(k-1), which falls from
	// the mean on. P(0) may be too small for a float64.
	least := 1 / price.Seconds()
	k := int(mean)
	logFactorial, _ := math.Lgamma(float64(k) + 1)
	p := math.Exp(float64(k)*math.Log(mean) - mean - logFactorial)
	if rate*p < least {
		return 0
	}
	for rate*p >= least {
		k++
		p *= mean / float64(k)
	}
	return k
}
