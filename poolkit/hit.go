package poolkit

// The short way of a member that stands ready and comes back, in a pool where no callback
// has a say. All it does the general way does too, in more steps: with an ask to write
// down and to read back, and a look at everything that might be the matter. The queues
// are changed in place here: each call would cost a thirtieth of the whole.

// hit lends an idle member of a plain pool. It unlocks mu.
func (p *Pool[C]) hit(m *member[C]) Lease[C] {
	content := p.ledger.hit(m)
	l := Lease[C]{m: m, loan: m.loans}
	if p.asleep || p.alert || !content {
		p.taken()
	} else {
		p.mu.Unlock()
	}
	p.proved(m)
	return l
}

// first returns the idle member that is next for who wants any, or nil.
func (l *ledger[C]) first() *member[C] {
	if l.newestFirst {
		return l.idle.newest()
	}
	return l.idle.oldest()
}

// idleWith returns the idle member with an ID, or nil.
func (l *ledger[C]) idleWith(id ID) *member[C] {
	if m, _ := l.members.get(id); m != nil && m.state == idle {
		return m
	}
	return nil
}

// hit is take for an idle member whose place in the queue has no number. It reports whether
// nothing has to be ordered, where that is quickly told.
func (l *ledger[C]) hit(m *member[C]) (content bool) {
	l.took()
	l.idle.remove(m)
	if l.peers != nil {
		m.peer.idle.remove(m)
	}
	l.dequeued(m)
	m.state = onLoan
	m.loans++
	l.mostLent = max(l.mostLent, l.lent())
	return l.exhausted() || l.content()
}

// exhausted reports that order would find no place.
func (l *ledger[C]) exhausted() bool {
	return l.share == nil && l.failures == 0 && l.shards.Exhausted()
}

// content reports that order would look for none.
func (l *ledger[C]) content() bool { return l.share == nil && l.missing() <= 0 }

// back is takeBack and putBack for such a member. It returns the waiter who has it now, if
// any, and reports false where there is more to do.
func (l *ledger[C]) back(m *member[C]) (w *waiter[C], ok bool) {
	if m.epoch != l.epoch || len(l.readies) > 0 || l.limited || l.share != nil || l.singleUse || l.quiet || l.draining {
		return nil, false
	}
	if l.waiters.len > 0 {
		m.state = returning
		return l.offer(m), true
	}
	m.state = idle
	l.idle.append(m)
	// What follows is in another cache line, which a pool without these need not read.
	if l.peers != nil {
		m.peer.idle.append(m)
	}
	if l.tick > 0 {
		m.since = 0
	}
	return nil, true
}
