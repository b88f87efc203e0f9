package poolkit

import "context"

// Acquire lends out the member that has been idle longest (or shortest, with
// [Config.NewestFirst]). Where none is idle it waits: for the next to arrive or to
// come back, in the order of the callers.
//
// ctx is looked at only when it is about to wait: a member that stands ready is
// lent even under a ctx that has ended, and one that has been handed over before
// the wait was given up is returned. For a caller whose ctx has ended by then nothing is
// dialled; but its end never cancels the making of a member, which serves the next caller.
//
// The error is an [*AcquireError]. It wraps the ctx's cause, [ErrClosed], or, at
// once, the permanent error that keeps the pool from making members.
func (p *Pool[C]) Acquire(ctx context.Context) (Lease[C], error) {
	p.mu.Lock()
	if m := p.ledger.first(); m != nil && p.plain {
		return p.hit(m), nil
	}
	return p.acquire(ctx, &ask{})
}

// AcquireID is like [Pool.Acquire] for the member with a certain ID. If that one is
// not idle it waits until it arrives or comes back, and if it is being examined, until
// that is over; a caller who waits for an ID comes before those who wait for any. If it
// turns out to be dead when it is to be lent, or is examined, the error is [ErrLost], at
// once: it is not likely that another comes under that ID.
func (p *Pool[C]) AcquireID(ctx context.Context, id ID) (Lease[C], error) {
	p.mu.Lock()
	if m := p.ledger.idleWith(id); m != nil && p.plain {
		return p.hit(m), nil
	}
	return p.acquire(ctx, &ask{wish: wish{kind: forID, id: id}})
}

// AcquireFrom is like [Pool.Acquire] for the members of one peer, which [Config.Peer]
// names. If none of them is idle it waits for the next that arrives or comes back.
// Callers of Acquire and AcquireFrom are served in the order in which they came, each
// with the first member that will do. A peer that nobody has heard of may still come,
// so that one is waited for too.
//
// Waiting for a certain peer makes a pool dial no more than it does anyway, since the
// dialer chooses the peer. Without Config.Peer the wait fails at once.
func (p *Pool[C]) AcquireFrom(ctx context.Context, peer string) (Lease[C], error) {
	p.mu.Lock()
	return p.acquire(ctx, &ask{wish: wish{kind: forPeer, peer: peer}})
}

// TryAcquire is [Pool.Acquire] for those who do not wait: it reports false where no
// member is idle but those being examined. Only a try that succeeds counts as an acquire.
func (p *Pool[C]) TryAcquire() (Lease[C], bool) {
	p.mu.Lock()
	if m := p.ledger.first(); m != nil && p.plain {
		return p.hit(m), true
	}
	return p.try(&ask{})
}

// TryAcquireID is [Pool.AcquireID] for those who do not wait: it reports false where
// that member is not idle, or is being examined.
func (p *Pool[C]) TryAcquireID(id ID) (Lease[C], bool) {
	p.mu.Lock()
	if m := p.ledger.idleWith(id); m != nil && p.plain {
		return p.hit(m), true
	}
	return p.try(&ask{wish: wish{kind: forID, id: id}})
}

// TryAcquireFrom is [Pool.AcquireFrom] for those who do not wait: it reports false
// where no member of that peer is idle.
func (p *Pool[C]) TryAcquireFrom(peer string) (Lease[C], bool) {
	p.mu.Lock()
	return p.try(&ask{wish: wish{kind: forPeer, peer: peer}})
}

// try takes members out of idle until it finds one that is alive, or none. It unlocks mu.
func (p *Pool[C]) try(a *ask) (Lease[C], bool) {
	for ; ; p.mu.Lock() {
		m := p.ledger.take(&a.wish)
		if m == nil {
			p.ledger.shed = false // somebody asks for members again
			tickets := p.order()
			p.mu.Unlock()
			p.dialAll(tickets)
			return Lease[C]{}, false
		}
		p.ledger.asked(a)
		p.taken()
		if l, ok := p.lend(m); ok {
			return l, true
		}
	}
}

// ask is one call of Acquire or its kin. It counts as one take and at most one
// miss, however many dead members it meets.
type ask struct {
	wish
	counted, waits bool
}

// acquire takes members out of idle, or waits for them, until it finds one that is alive.
// It unlocks mu.
func (p *Pool[C]) acquire(ctx context.Context, a *ask) (Lease[C], error) {
	for ; ; p.mu.Lock() {
		m, err := p.next(a)
		if m == nil && err == nil {
			m, err = p.wait(ctx, a)
		}
		if err != nil {
			return Lease[C]{}, err
		}
		if l, ok := p.lend(m); ok {
			return l, nil
		}
		if a.kind == forID {
			p.mu.Lock()
			err := p.acquireError(&a.wish, ErrLost)
			p.mu.Unlock()
			return Lease[C]{}, err
		}
	}
}

// next takes a member out of idle, or says why not, and unlocks mu. Where there is nothing
// but to wait it returns neither a member nor an error, and mu stays locked.
func (p *Pool[C]) next(a *ask) (*member[C], error) {
	p.ledger.asked(a)
	if m := p.ledger.take(&a.wish); m != nil {
		p.taken()
		return m, nil
	}
	err := p.ledger.refusal(&a.wish)
	if err == nil && a.kind == forAny {
		err = p.ledger.hopeless()
	}
	if err == nil {
		return nil, nil
	}
	p.ledger.retry = p.ledger.retry || a.kind == forAny
	tickets := p.order()
	err = p.acquireError(&a.wish, err)
	p.mu.Unlock()
	p.dialAll(tickets)
	return nil, err
}

// taken orders the replacement of what was taken or is waited for. It unlocks mu.
func (p *Pool[C]) taken() {
	p.disturb()
	if p.alert {
		p.alert = false
		p.wake()
	}
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
}

// lend makes a lease of a member that was taken out of idle. It reports false when
// the member has ended meanwhile; then it is being shut.
func (p *Pool[C]) lend(m *member[C]) (Lease[C], bool) {
	l := Lease[C]{m: m, loan: m.loans}
	if p.plain {
		p.proved(m)
		return l, true // no callback has a say
	}
	why, lent := Unhealthy, false
	defer func() {
		if !lent {
			p.reject(l, why)
		}
	}()
	switch {
	case !p.unwatch(m):
		why = Gone
		return Lease[C]{}, false
	case !p.healthy(m):
		return Lease[C]{}, false
	}
	p.proved(m)
	p.lent(l)
	lent = true
	return l, true
}

// proved notes that whoever got a member found it alive.
func (p *Pool[C]) proved(m *member[C]) {
	m.untried = false
	if m.redeems {
		p.redeemed(m)
	}
}

// redeemed notes that a member was alive that arrived after failures.
func (p *Pool[C]) redeemed(m *member[C]) {
	p.mu.Lock()
	p.ledger.succeeded(m)
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
}

// reject ends the loan of a dead member. Who asked for it does not wait until it is
// shut. If the member was untried that was a failure.
func (p *Pool[C]) reject(l Lease[C], why Reason) {
	p.mu.Lock()
	if !p.ledger.held(l.m, l.loan) {
		p.mu.Unlock()
		return
	}
	p.ledger.close(l.m, why)
	p.buryLater(l.m)
	failed := l.m.untried
	var told []*waiter[C]
	if failed {
		p.ledger.doubt = p.ledger.doubt || !l.m.accepted
		told = p.fail(l.m.shard, l.m.accepted, ErrLost)
	}
	tickets := p.order()
	p.mu.Unlock()
	tell(told)
	p.dialAll(tickets)
	if failed {
		p.hookFailed(l.m.shard, ErrLost)
	}
}
