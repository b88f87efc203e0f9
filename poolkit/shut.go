package poolkit

import (
	"errors"

	"golang.org/x/sync/errgroup"
)

// shutting is how many members are shut at once when many are: closing a
// connection may wait for a peer that does not answer.
const shutting = 16

// bury shuts a member that the ledger has marked as closing, and frees its place.
func (p *Pool[C]) bury(m *member[C]) {
	var err error
	defer p.free(m)
	defer func() {
		var panicked *PanicError
		if errors.As(err, &panicked) {
			p.hookFailed(m.shard, err)
		}
	}()
	p.callShut(m, &err)
}

// retire buries a member that nobody had: it may be watched.
func (p *Pool[C]) retire(m *member[C]) {
	defer p.bury(m)
	p.unwatch(m)
}

// free gives back the place of a member that is closing. That comes last, so that
// Close returns after the hook.
func (p *Pool[C]) free(m *member[C]) {
	defer p.vacate(m)
	if m.joined {
		p.hookLeft(m, m.why)
	}
}

func (p *Pool[C]) vacate(m *member[C]) {
	p.mu.Lock()
	p.ledger.free(m)
	tickets := p.order()
	p.checkEmpty()
	p.mu.Unlock()
	p.dialAll(tickets)
}

// buryLater, called under mu, retires members on a goroutine of the pool, which Close
// waits for.
func (p *Pool[C]) buryLater(ms ...*member[C]) {
	switch len(ms) {
	case 0:
	case 1:
		p.work.Go(func() { p.retire(ms[0]) })
	default:
		p.work.Go(func() { each(ms, p.retire) })
	}
}

// relieve shuts, under mu, the members whose replacement has just arrived, and has keep
// see to the next.
func (p *Pool[C]) relieve() {
	if len(p.ledger.renewals) > 0 {
		p.buryLater(p.ledger.relieve()...)
		p.wake()
	}
}

// each does the same to many members: to several at once, and to each on a goroutine
// of its own.
func each[C any](ms []*member[C], do func(*member[C])) {
	var g errgroup.Group
	g.SetLimit(shutting)
	for _, m := range ms {
		g.Go(func() error {
			do(m)
			return nil
		})
	}
	_ = g.Wait() // there are no errors
}

// Flush shuts every idle member. Those on loan are not touched, but are shut
// instead of returning to idle; those on their way are shut on arrival, and those
// being examined when that is over. The pool fills again at once.
func (p *Pool[C]) Flush() {
	p.mu.Lock()
	gone := p.ledger.flush()
	p.disturb()
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	each(gone, p.retire)
}
