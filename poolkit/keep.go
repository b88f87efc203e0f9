package poolkit

import "time"

// shortestStep bounds how often a policy is asked, whatever it wants, and how often
// the pool looks at its members by itself.
const shortestStep = time.Millisecond

// unusedFor is how long a member beyond the target stands unused, in a pool whose
// members come back, before it is shut. A take orders its replacement, and then
// both are there: were that trimmed at once, a request now and then would mean a
// dial for each.
const unusedFor = time.Minute

// surplusFor is the same where members serve once, or the target counts those on loan.
// There surplus is what a lower target leaves, and who gave up waiting. Shutting it at
// once would be to dial it anew when the target swings back.
const surplusFor = 500 * time.Millisecond

// keeper is the maintenance of a pool: one goroutine that asks the policy for a
// target, trims what stood unused, and ends pauses when they are over. Nobody
// waits for it: takes and arrivals order what they need themselves. It sleeps
// without a timer while nothing happens in a pool that has settled. Where the policy
// wants to hear of takes, the first one after a step wakes it.
type keeper[C any] struct {
	pool    *Pool[C]
	last    time.Time // of the latest step
	since   time.Time // when the wait for the next began; zero while the pool has settled
	trimmed time.Time // when surplus was last looked for
	seen    counts    // as of the latest step
	wait    time.Duration
	onTake  time.Duration // how long after a step a take may bring the next; zero: it does not
}

func newKeeper[C any](p *Pool[C]) *keeper[C] {
	now := time.Now()
	return &keeper[C]{pool: p, last: now, trimmed: now}
}

// start takes the first step: the target is set before anything else happens.
func (k *keeper[C]) start() (err error) {
	k.step(k.last, &err)
	return err
}

// run ends with the pool's context; Close waits for it.
func (k *keeper[C]) run() {
	p := k.pool
	defer func() {
		if p.ctx.Err() == nil { // a callback has ended this goroutine: another takes over
			p.work.Go(k.run)
		}
	}()
	timer := time.NewTimer(k.wait)
	defer timer.Stop()
	for {
		now := time.Now()
		due, ok := k.due(now)
		if ok && !now.Before(due) {
			k.advance(now)
			due, ok = k.due(now)
		}

		next, timed := p.maintain(now)
		if ok && (!timed || due.Before(next)) {
			next, timed = due, true
		}
		timer.Stop()
		if timed {
			timer.Reset(next.Sub(now))
		}
		select {
		case <-timer.C:
		case <-p.kick:
		case <-p.ctx.Done():
			return
		}
	}
}

// maintain does what does not wait for a step, and returns when there will be more.
func (p *Pool[C]) maintain(now time.Time) (next time.Time, timed bool) {
	p.mu.Lock()
	next, timed = p.ledger.wake(now)
	gone, look, looks := p.ledger.tend(now)
	if tick := p.ledger.tick; tick > 0 && !p.asleep && (!looks || now.Add(tick).Before(look)) {
		look, looks = now.Add(tick), true // for who becomes idle
	}
	if soonest := now.Add(shortestStep); looks && look.Before(soonest) {
		look = soonest
	}
	p.examine()
	p.buryLater(gone...)
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	if looks && (!timed || look.Before(next)) {
		return look, true
	}
	return next, timed
}

// due returns when the next step is. It reports false while the pool has settled.
func (k *keeper[C]) due(now time.Time) (due time.Time, ok bool) {
	p := k.pool
	p.mu.Lock()
	asleep, taken := p.asleep, !p.alert
	p.mu.Unlock()
	if asleep {
		k.since = time.Time{}
		return time.Time{}, false
	}
	if k.since.IsZero() { // something has ended the sleep
		k.since = now
	}
	due = k.since.Add(k.wait)
	if soon := k.last.Add(k.onTake); taken && k.onTake > 0 && soon.Before(due) {
		due = soon
	}
	return due, true
}

// advance takes a step and reports its error.
func (k *keeper[C]) advance(now time.Time) {
	var err error
	defer k.pool.report(&err)
	k.step(now, &err)
}

// step asks the policy and does what it says. The policy runs without the lock.
func (k *keeper[C]) step(now time.Time, err *error) {
	p := k.pool
	p.mu.Lock()
	seen := p.ledger.counts
	o := p.ledger.observe(k.seen, now.Sub(k.last))
	p.mu.Unlock()

	k.since, k.wait, k.onTake = now, max(k.wait, lastPause), 0 // where it fails
	d := callStep(p.cfg.Sizing, o, err)
	if *err != nil {
		return
	}
	k.seen, k.last, k.wait, k.onTake = seen, now, max(d.Wait, shortestStep), d.OnTake

	p.mu.Lock()
	from := p.ledger.target
	p.ledger.retarget(d.Target, d.InUse)
	to := p.ledger.target
	p.pace, p.reason = k.wait, d.Reason
	p.alert = d.OnTake > 0 && p.ledger.counts.takes == seen.takes
	unused := unusedFor
	if p.cfg.SingleUse || d.InUse {
		unused = surplusFor
	}
	if p.shrunk || now.Sub(k.trimmed) >= unused {
		p.shrunk, k.trimmed = false, now
		p.buryLater(p.ledger.trim()...)
	}
	p.asleep = d.Settled && from == to && p.ledger.counts == seen && !p.ledger.surplus()
	tickets := p.order()
	p.mu.Unlock()

	p.dialAll(tickets)
	p.hookResized(from, to)
}

// Resize changes the bounds of the target; inverted ones are swapped, and both end at
// the places that all shards have together. The target
// moves into them at once, and on from there by the sizing policy. Members beyond it
// are shut with the policy's next step, those not used meanwhile.
func (p *Pool[C]) Resize(minCapacity, maxCapacity int) {
	minCapacity, maxCapacity = p.cfg.bounds(minCapacity, maxCapacity)
	p.mu.Lock()
	from := p.ledger.target
	p.ledger.resize(minCapacity, maxCapacity)
	to := p.ledger.target
	p.shrunk = true
	p.asleep = false
	p.wake()
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	p.hookResized(from, to)
}
