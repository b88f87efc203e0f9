package poolkit

import (
	"math/rand/v2"
	"time"
)

// A Watcher is told what becomes of an idle member, by whoever watches it. Its methods
// may be called at any time, by any goroutine and more than once; they do not block.
type Watcher interface {
	// Gone says that the member has ended by itself. It leaves the pool at once, or, where
	// it is being examined, when that is over.
	Gone()

	// Leaving says that the member is about to end, and Gone will follow. Acquire does
	// not hand it out any more, and another is made in its place: at the pace of failures
	// if it was dialled within the last second. AcquireID still does hand it out: the peer
	// may have taken it before it knew, and sent its ID.
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
	young := unexpected && p.young(m)
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
	idle := p.ledger.leave(m)
	var tickets []ticket
	if idle || m.outlook == parting {
		p.disturb()
		if p.young(m) { // no failure, but one after the other would come to nothing either
			p.doubt(m.shard)
		}
	}
	if idle {
		tickets = p.order()
	}
	p.mu.Unlock()
	p.dialAll(tickets)
}

// young reports, under mu, whether a member was dialled so recently that its end says
// something about dialling the next.
func (p *Pool[C]) young(m *member[C]) bool {
	return !m.accepted && time.Since(p.ledger.began)-m.made < proveFor
}

// doubt has, under mu, the next dials go at the pace of failures, until a member lasts.
func (p *Pool[C]) doubt(shard int) {
	p.ledger.doubt = true
	p.ledger.setBack(shard, false, time.Now(), rand.Float64())
	p.asleep = false
	p.wake()
}
