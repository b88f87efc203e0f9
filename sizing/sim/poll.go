package sim

import (
	"time"

	"github.com/vistone/poolkit/sizing"
)

// batch is the most members that are made at once: those of a connection.
const batch = 128

// rounds is one run of the mechanism that [World.Poll] describes.
type rounds struct {
	World
	meter
	policy       sizing.Policy
	chance, ages random

	idle     fifo // when each dies, the longest idle first
	creating heap
	waiting  looks
	patient  fifo // since when callers have waited, in order; some no longer do
	death    time.Duration

	takes   []time.Duration // to come
	target  int
	missing int                // still to be made in this round
	settled bool               // this round found nothing to do, nor will others until something happens
	wait    time.Duration      // after the round
	next    time.Duration      // when the next round begins; never while a batch is made
	begun   time.Duration      // when the latest began
	seen    sizing.Observation // since then

	looker time.Duration // who looks next
	look   time.Duration // and when; never where there is nothing to be had
}

// Poll plays a demand against a pool that follows the policy in rounds: a step; as
// many members are made as are missing to the target, in batches, each of which is
// waited for; a pause as the policy says. Callers look for a member when they come
// and every 50 ms from then.
func (w World) Poll(d Demand, policy sizing.Policy) Result {
	w = w.withDefaults()
	p := &rounds{
		World: w, meter: newMeter(&w, &d), policy: policy,
		chance: random(w.Seed*7919 + 17), ages: random(w.Seed*104_729 + 3),
		death: never, look: never, takes: d.Takes,
	}
	for {
		take, landing, giveUp := p.arrival(), never, never
		if len(p.creating) > 0 {
			landing = p.creating[0].due
		}
		if p.patient.len > 0 {
			giveUp = p.patient.at(0) + patience
		}
		to := min(take, landing, p.look, giveUp, p.next, p.death)
		if to >= d.Length {
			break
		}
		p.advance(to, p.idle.len, len(p.creating), p.target)
		switch to {
		case take:
			p.takes = p.takes[1:]
			p.get()
		case landing:
			p.land()
		case p.look:
			p.idle.pop()
			p.waiting.remove(p.looker)
			p.waited(p.looker)
		case giveUp:
			if since := p.patient.pop(); p.waiting.remove(since) {
				p.gaveUp(since)
			}
		case p.next:
			p.ask()
		default: // somebody dies
			before := p.idle.len
			p.death = p.idle.outlive(p.now)
			p.count(&p.Wasted, before-p.idle.len)
		}
		p.work()
		p.look = never
		if p.idle.len > 0 && p.waiting.len > 0 {
			p.looker, p.look = p.waiting.next(p.now)
		}
	}
	p.advance(d.Length, p.idle.len, len(p.creating), p.target)
	for p.patient.len > 0 {
		if since := p.patient.pop(); p.waiting.remove(since) {
			p.waited(since)
		}
	}
	return p.result(d.Length)
}

// arrival is when the next caller comes.
func (p *rounds) arrival() time.Duration {
	if len(p.takes) == 0 {
		return never
	}
	return p.takes[0]
}

func (p *rounds) get() {
	p.take()
	p.seen.Takes++
	if p.idle.len > 0 {
		p.idle.pop()
		return
	}
	p.miss()
	p.seen.Misses++
	p.waiting.add(p.now)
	p.patient.push(p.now)
}

func (p *rounds) land() {
	c := p.creating.pop()
	if c.fails || p.outage(p.now) {
		p.seen.Failed++
		p.count(&p.Failed, 1)
		return
	}
	p.seen.Created++
	p.seen.LeadSum += c.due - c.begun
	p.count(&p.Created, 1)
	dies := p.now + life(&p.ages)
	p.idle.push(dies)
	p.death = min(p.death, dies)
}

// ask begins a round.
func (p *rounds) ask() {
	o := p.seen
	o.Elapsed = p.now - p.begun
	o.MinCapacity, o.MaxCapacity = p.MinCapacity, p.MaxCapacity
	o.Idle, o.Waiting = p.idle.len, p.waiting.len
	p.seen = sizing.Observation{}
	p.count(&p.Steps, 1)

	d := p.policy.Step(o)
	p.target = max(p.MinCapacity, min(d.Target, p.MaxCapacity))
	p.wait = max(d.Wait, shortestStep)
	p.missing = p.target - p.idle.len
	p.settled = d.Settled && p.missing <= 0 && p.waiting.len == 0
	p.begun, p.next = p.now, never
}

// work goes on with a round when the latest batch is made.
func (p *rounds) work() {
	if p.next != never || len(p.creating) > 0 {
		return
	}
	if p.missing <= 0 {
		p.next = p.now + p.wait
		if event := min(p.arrival(), p.death); p.settled && event > p.next {
			p.next += (event - p.next + p.wait - 1) / p.wait * p.wait // the rounds until then find nothing to do
		}
		return
	}
	n := min(p.missing, batch)
	p.missing -= n
	for range n {
		c := creation{begun: p.now}
		c.due, c.fails = p.creation(&p.chance)
		c.due += p.now
		p.creating.push(c)
	}
}
