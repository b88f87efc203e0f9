package sim

import (
	"math"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// Original is the rule as github.com/vistone/quic v1.0.0 follows it, for [World.Poll].
// It differs from [sizing.Stepwise] in what it takes for a failure: its target also
// falls when little was created because little was missing.
type Original struct {
	MinInterval, MaxInterval time.Duration

	capacity int
	interval time.Duration
}

// Step implements [sizing.Policy].
func (p *Original) Step(o sizing.Observation) sizing.Decision {
	const notch, low, high = 100 * time.Millisecond, 0.2, 0.8
	before := *p
	p.capacity = max(p.capacity, o.MinCapacity, 1)
	if o.Elapsed > 0 {
		switch idle := float64(o.Idle) / float64(p.capacity); {
		case idle < low:
			p.interval -= notch
		case idle > high:
			p.interval += notch
		}
		switch created := float64(o.Created) / float64(p.capacity); {
		case created >= high:
			p.capacity++
		case created <= low:
			p.capacity--
		}
	}
	p.capacity = max(o.MinCapacity, min(p.capacity, o.MaxCapacity))
	p.interval = max(p.MinInterval, min(p.interval, p.MaxInterval))
	quiet := o.Created == 0 && o.Failed == 0 && o.Takes == 0
	return sizing.Decision{Target: p.capacity, Wait: p.interval, Settled: quiet && *p == before}
}

// Knative follows the autoscaler of Knative: every 2 s it looks at how many members
// were on their way at once, on average over a minute, and wants so many that these
// would be the given share of them. If the average over 6 s asks for twice as many as
// there are it panics: for a minute it follows that one, and only upwards.
type Knative struct {
	Share float64 // default 0.7

	ticks    [30]int // takes in each 2 s of the last minute
	lead     time.Duration
	target   int
	panicked time.Duration // how long ago; negative: not
}

// Step implements [sizing.Policy].
func (p *Knative) Step(o sizing.Observation) sizing.Decision {
	const tick, panicking, threshold = 2 * time.Second, 3, 2
	if o.Created > 0 {
		p.lead = o.LeadSum / time.Duration(o.Created)
	}
	if o.Elapsed == 0 {
		p.panicked = -1
	} else {
		copy(p.ticks[1:], p.ticks[:])
		p.ticks[0] = o.Takes
	}
	share := p.Share
	if share <= 0 {
		share = 0.7
	}
	wants := func(ticks []int) int {
		takes := 0
		for _, n := range ticks {
			takes += n
		}
		over := time.Duration(len(ticks)) * tick
		return int(math.Ceil(float64(takes) * p.lead.Seconds() / over.Seconds() / share))
	}
	stable, short := wants(p.ticks[:]), wants(p.ticks[:panicking])
	if p.panicked >= 0 {
		p.panicked += o.Elapsed
	}
	if short >= threshold*max(p.target, 1) {
		p.panicked = 0
	}
	if p.panicked > time.Minute {
		p.panicked = -1
	}
	if p.panicked >= 0 {
		p.target = max(p.target, short, stable)
	} else {
		p.target = stable
	}
	p.target = max(o.MinCapacity, min(p.target, o.MaxCapacity))
	return sizing.Decision{Target: p.target, Wait: tick}
}

// Prefork keeps spares as the web server Apache keeps processes: once a second, with
// too few idle it adds one, and after that two, four and up to 32 as long as there are
// too few; with too many it gives up one.
type Prefork struct {
	MinSpare, MaxSpare int // default 5 and 10

	target, step int
}

// Step implements [sizing.Policy].
func (p *Prefork) Step(o sizing.Observation) sizing.Decision {
	low, high := p.MinSpare, p.MaxSpare
	if high <= 0 {
		low, high = 5, 10
	}
	switch {
	case o.Elapsed == 0:
		p.target, p.step = low, 1
	case o.Idle < low:
		p.target += p.step
		p.step = min(2*p.step, 32)
	case o.Idle > high:
		p.target--
		p.step = 1
	default:
		p.step = 1
	}
	p.target = max(o.MinCapacity, min(p.target, o.MaxCapacity))
	return sizing.Decision{Target: p.target, Wait: time.Second}
}
