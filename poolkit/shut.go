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
	err := p.callShut(m)
	var panicked *PanicError
	if errors.As(err, &panicked) {
		p.hookFailed(m.shard, err)
	}
	p.free(m)
}

// free gives back the place of a member that is closing. That comes last, so that
// Close returns after the hook.
func (p *Pool[C]) free(m *member[C]) {
	if m.joined {
		p.hookLeft(m, m.why)
	}
	p.mu.Lock()
	p.ledger.free(m)
	tickets := p.order()
	p.checkEmpty()
	p.mu.Unlock()
	p.dialAll(tickets)
}

// buryIdle buries members that stood idle until the ledger marked them.
func (p *Pool[C]) buryIdle(ms []*member[C]) {
	for _, m := range ms {
		p.unwatch(m)
	}
	p.buryAll(ms)
}

// buryLater, called under mu, does the same on a goroutine of the pool, which Close
// waits for.
func (p *Pool[C]) buryLater(ms ...*member[C]) {
	if len(ms) > 0 {
		p.work.Go(func() { p.buryIdle(ms) })
	}
}

// buryAll buries many members, several at once.
func (p *Pool[C]) buryAll(ms []*member[C]) {
	if len(ms) == 1 {
		p.bury(ms[0])
		return
	}
	var g errgroup.Group
	g.SetLimit(shutting)
	for _, m := range ms {
		g.Go(func() error {
			p.bury(m)
			return nil
		})
	}
	_ = g.Wait() // bury reports its own errors
}

// Flush shuts every idle member. Those on loan are not touched, but are shut
// instead of returning to idle; those on their way are shut on arrival. The pool
// fills again at once.
func (p *Pool[C]) Flush() {
	p.mu.Lock()
	gone := p.ledger.flush()
	p.disturb()
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	p.buryIdle(gone)
}
