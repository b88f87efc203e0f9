package poolkit

import "time"

// A Watcher is told what becomes of an idle member, by whoever watches it. Its methods
// may be called at any time, by any goroutine and more than once; they do not block.
type Watcher interface {
	// Gone says that the member has ended by itself. It leaves the pool at once, or, where
	// it is being examined, when that is over.
	Gone()

	// Leaving says that the member is about to end, and Gone will follow. Acquire does
	// not hand it out any more, and another is made in its place. AcquireID still does:
	// the peer may have taken it before it knew, and sent its ID.
	Leaving()
}

// Gone implements [Watcher]. The goroutine that it starts ends when the member is
// shut; Close waits for it.
func (m *member[C]) Gone() {
	p := m.pool
	p.mu.Lock()
	unexpected := m.state == idle
	if !p.ledger.lose(m) {
		p.mu.Unlock()
		return // somebody has it, and will find out when stopping the watch
	}
	m.stop = nil // the watch is over
	p.buryLater(m)
	p.disturb()
	// A peer that ends whatever is opened is dialled at the pace of failures.
	young := unexpected && !m.accepted && time.Since(p.ledger.began)-m.made < proveFor
	var told []*waiter[C]
	if young {
		p.ledger.doubt = true
		told = p.fail(m.shard, false, ErrLost)
	}
	tickets := p.order()
	p.mu.Unlock()
	tell(told)
	p.dialAll(tickets)
	if young {
		p.hookFailed(m.shard, ErrLost)
	}
}

// Leaving implements [Watcher].
func (m *member[C]) Leaving() {
	p := m.pool
	p.mu.Lock()
	var tickets []ticket
	if p.ledger.leave(m) {
		p.disturb()
		tickets = p.order()
	}
	p.mu.Unlock()
	p.dialAll(tickets)
}
