package sim

import (
	"math"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// The mechanism of package poolkit, as far as sizing sees it.
const (
	surplusFor   = 500 * time.Millisecond // how long surplus stands unused before it is closed
	unusedFor    = time.Minute            // the same where members come back, unless the policy counts them
	shortestStep = time.Millisecond
	probeAfter   = 3 // failures in a row, one member is made at a time
	firstPause   = 100 * time.Millisecond
	lastPause    = 2 * time.Second
	pauseSpread  = 0.25
)

const never = time.Duration(math.MaxInt64)

// pool is one run of the event-driven mechanism.
type pool struct {
	World
	meter
	policy       sizing.Policy
	chance, ages random

	uses       []time.Duration // of the takes to come; nil where members serve once
	returning  heap            // members in use, those back first before others
	idle       fifo            // when each dies, the longest idle first
	creating   heap
	waiting    fifo // since when, the first first
	waitingUse fifo // for how long each of them wants to have it

	decision sizing.Decision
	step     time.Duration      // when the next is due; never while the policy has settled
	stepped  time.Duration      // when the latest was
	seen     sizing.Observation // since then
	trimmed  time.Duration      // when surplus was last looked for
	lowWater int                // fewest idle since then
	death    time.Duration      // nobody dies before

	failures int
	resume   time.Duration // the end of a pause; never if there is none
}

// Run plays a demand against a pool that follows the policy.
func (w World) Run(d Demand, policy sizing.Policy) Result {
	w = w.withDefaults()
	p := &pool{
		World: w, meter: newMeter(&w, &d), policy: policy, uses: d.Uses,
		chance: random(w.Seed*7919 + 17), ages: random(w.Seed*104_729 + 3),
		death: never, resume: never,
	}
	p.ask()
	p.order()
	takes := d.Takes
	for {
		take, landing, back, giveUp := never, never, never, never
		if len(takes) > 0 {
			take = takes[0]
		}
		if len(p.creating) > 0 {
			landing = p.creating[0].due
		}
		if len(p.returning) > 0 {
			back = p.returning[0].due
		}
		if p.waiting.len > 0 {
			giveUp = p.waiting.at(0) + patience
		}
		to := min(take, landing, back, giveUp, p.step, p.death, p.resume)
		if to >= d.Length {
			break
		}
		p.advance(to, p.idle.len, len(p.creating), p.decision.Target)
		switch to {
		case take:
			takes = takes[1:]
			p.get()
		case landing:
			p.land()
		case back:
			p.returning.pop()
			p.disturb()
			p.serve()
		case giveUp:
			p.gaveUp(p.next())
		case p.step:
			p.ask()
		case p.death:
			p.bury()
		default: // a pause is over
			p.resume = never
		}
		p.order()
	}
	p.advance(d.Length, p.idle.len, len(p.creating), p.decision.Target)
	for p.waiting.len > 0 { // they would have got the next
		p.waited(p.waiting.pop())
	}
	return p.result(d.Length)
}

// get is a caller who wants a member.
func (p *pool) get() {
	p.take()
	p.seen.Takes++
	p.disturb()
	if p.decision.OnTake > 0 {
		p.step = min(p.step, max(p.now, p.stepped+p.decision.OnTake))
	}
	var use time.Duration
	if p.uses != nil {
		use, p.uses = p.uses[0], p.uses[1:]
	}
	if p.idle.len > 0 {
		p.idle.pop()
		p.lowWater = min(p.lowWater, p.idle.len)
		p.lend(use)
		return
	}
	p.miss()
	p.seen.Misses++
	p.waiting.push(p.now)
	p.waitingUse.push(use)
}

// next takes out whoever has waited longest.
func (p *pool) next() (since time.Duration) {
	p.waitingUse.pop()
	return p.waiting.pop()
}

// lend is the use of a member, which comes back if it serves more than once.
func (p *pool) lend(use time.Duration) {
	if p.uses == nil {
		return
	}
	p.returning.push(creation{due: p.now + use})
	p.seen.MostInUse = max(p.seen.MostInUse, len(p.returning))
}

// land is the end of a creation.
func (p *pool) land() {
	c := p.creating.pop()
	p.disturb()
	if c.fails || p.outage(p.now) {
		p.fail()
		return
	}
	p.failures, p.resume = 0, never
	p.count(&p.Created, 1)
	p.seen.Created++
	p.seen.LeadSum += c.due - c.begun
	p.serve()
}

func (p *pool) fail() {
	p.count(&p.Failed, 1)
	p.seen.Failed++
	p.failures++
	if p.failures >= probeAfter {
		pause := min(firstPause<<min(p.failures-probeAfter, 6), lastPause)
		p.resume = p.now + time.Duration(float64(pause)*(1+pauseSpread*(2*p.chance.uniform()-1)))
	}
}

// serve gives a member to whoever has waited longest, or makes it idle.
func (p *pool) serve() {
	if p.waiting.len > 0 {
		use := p.waitingUse.at(0)
		p.waited(p.next())
		p.lend(use)
		return
	}
	dies := p.now + life(&p.ages)
	p.idle.push(dies)
	p.death = min(p.death, dies)
}

// ask takes a step of the policy.
func (p *pool) ask() {
	o := p.seen
	o.Elapsed = p.now - p.stepped
	o.MinCapacity, o.MaxCapacity = p.MinCapacity, p.MaxCapacity
	o.Idle, o.Creating, o.Waiting = p.idle.len, len(p.creating), p.waiting.len
	o.FailStreak = p.failures
	o.Returns, o.InUse = p.uses != nil, len(p.returning)
	p.seen = sizing.Observation{MostInUse: o.InUse}
	p.stepped = p.now
	p.count(&p.Steps, 1)

	p.decision = p.policy.Step(o)
	p.decision.Target = max(p.MinCapacity, min(p.decision.Target, p.MaxCapacity))
	p.decision.Wait = max(p.decision.Wait, shortestStep)
	unused := surplusFor
	if o.Returns && !p.decision.InUse {
		unused = unusedFor
	}
	if p.now-p.trimmed >= unused {
		p.trim()
	}
	p.step = p.now + p.decision.Wait
	if p.decision.Settled && p.idle.len <= p.wanted() {
		p.step = never
	}
}

// disturb ends the sleep of a policy that has settled.
func (p *pool) disturb() {
	if p.step == never {
		p.step = p.now + p.decision.Wait
	}
}

// wanted is how many idle members to keep.
func (p *pool) wanted() int {
	if p.decision.InUse {
		return max(p.MinCapacity, p.decision.Target-len(p.returning))
	}
	return p.decision.Target
}

// trim closes what stood unused beyond what is wanted since it was last called.
func (p *pool) trim() {
	if n := p.lowWater - p.wanted(); n > 0 {
		p.idle.len -= n // the youngest
		p.count(&p.Wasted, n)
		p.seen.Expired += n
	}
	p.lowWater, p.trimmed = p.idle.len, p.now
}

// bury removes the members that have died.
func (p *pool) bury() {
	before := p.idle.len
	p.death = p.idle.outlive(p.now)
	p.lowWater = min(p.lowWater, p.idle.len)
	p.count(&p.Wasted, before-p.idle.len)
	p.seen.Expired += before - p.idle.len
}

// order begins to make what is missing.
func (p *pool) order() {
	if p.resume != never {
		return
	}
	missing := p.wanted() + p.waiting.len - p.idle.len - len(p.creating)
	if p.failures >= probeAfter {
		missing = min(missing, 1-len(p.creating))
	}
	for range missing {
		c := creation{begun: p.now}
		c.due, c.fails = p.creation(&p.chance)
		c.due += p.now
		p.creating.push(c)
	}
}
