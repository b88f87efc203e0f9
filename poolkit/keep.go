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

// keeper is the maintenance of a pool: one goroutine that asks the policy for a
// target, trims what stood unused, and ends pauses when they are over. Nobody
// waits for it: takes and arrivals order what they need themselves. It sleeps
// without a timer while nothing happens in a pool that has settled.
type keeper[C any] struct {
	pool    *Pool[C]
	last    time.Time // of the latest step
	trimmed time.Time // when surplus was last looked for
	seen    counts    // as of the latest step
	wait    time.Duration
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
	var due time.Time // of the next step; zero while the pool has settled
	for {
		now := time.Now()
		if due.IsZero() && !p.sleeping() {
			due = now.Add(k.wait)
		}
		if !due.IsZero() && !now.Before(due) {
			k.advance(now)
			due = now.Add(k.wait)
			if p.sleeping() {
				due = time.Time{}
			}
		}

		next, timed := p.maintain(now)
		if !due.IsZero() && (!timed || due.Before(next)) {
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

func (p *Pool[C]) sleeping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asleep
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

	k.wait = max(k.wait, lastPause) // where it fails
	d := callStep(p.cfg.Sizing, o, err)
	if *err != nil {
		return
	}
	k.seen, k.last, k.wait = seen, now, max(d.Wait, shortestStep)

	p.mu.Lock()
	from := p.ledger.target
	p.ledger.retarget(d.Target)
	to := p.ledger.target
	p.pace = k.wait
	if p.shrunk || p.cfg.SingleUse || now.Sub(k.trimmed) >= unusedFor {
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
