package poolkit

import (
	"context"
	"slices"
)

// WaitReady waits until at least n members are idle, or, where n is zero or less,
// as many as the target is now, or less once the target falls. It fails at once if
// the pool dials and n is above the upper bound of the target. Its errors are like
// those of [Pool.Acquire].
func (p *Pool[C]) WaitReady(ctx context.Context, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &readiness{n: n, done: make(chan struct{})}
	if n <= 0 {
		r.n, r.full = p.ledger.wanted(), true
	}
	if p.ledger.tooMany(r.n) {
		return p.readyError(r, p.ledger.errTooMany())
	}
	if p.ledger.idle.len >= r.n {
		return nil
	}
	if err := p.ledger.refusal(&wish{}); err != nil {
		return p.readyError(r, err)
	}
	p.ledger.readies = append(p.ledger.readies, r)
	p.ledger.shed = false
	tickets := p.order()

	p.mu.Unlock()
	p.dialAll(tickets)
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	p.mu.Lock()

	if p.ledger.readies.remove(r) {
		return p.readyError(r, whyEnded(ctx))
	}
	if r.err != nil {
		return p.readyError(r, r.err)
	}
	return nil
}

// readyError describes a vain wait, under mu.
func (p *Pool[C]) readyError(r *readiness, err error) error {
	e := &AcquireError{ready: r.n, Err: err, Last: p.ledger.last}
	p.describe(&e.Stats)
	return e
}

// readiness is a caller of WaitReady.
type readiness struct {
	n    int           // members to wait for
	full bool          // wait for no more than the target
	err  error         // set before done is closed
	done chan struct{} // closed by the ledger when the wait is over
}

// readinesses are those who still wait.
type readinesses []*readiness

// reached ends the wait of those for whom n idle members are enough.
func (rs *readinesses) reached(n int) {
	if len(*rs) > 0 {
		rs.end(nil, func(r *readiness) bool { return r.n <= n })
	}
}

// lower tells those who wait for a full pool that the target is no more than that.
func (rs readinesses) lower(target int) {
	for _, r := range rs {
		if r.full {
			r.n = min(r.n, target)
		}
	}
}

// fail ends everybody's wait.
func (rs *readinesses) fail(err error) {
	rs.end(err, func(*readiness) bool { return true })
}

func (rs *readinesses) end(err error, over func(*readiness) bool) {
	*rs = slices.DeleteFunc(*rs, func(r *readiness) bool {
		if !over(r) {
			return false
		}
		r.err = err
		close(r.done)
		return true
	})
}

// remove takes out r. It reports false when its wait was over already.
func (rs *readinesses) remove(r *readiness) bool {
	i := slices.Index(*rs, r)
	if i < 0 {
		return false
	}
	*rs = slices.Delete(*rs, i, i+1)
	return true
}
