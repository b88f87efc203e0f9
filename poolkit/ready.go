package poolkit

import (
	"context"
	"fmt"
	"slices"
)

// WaitReady waits until at least n members are idle, or, where n is zero or less,
// as many as the target is now. It fails at once if the pool dials and n is above
// the upper bound of the target; otherwise its errors are those of [Pool.Acquire].
func (p *Pool[C]) WaitReady(ctx context.Context, n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= 0 {
		n = p.ledger.target
	}
	if most := p.ledger.maxCapacity; n > most && p.ledger.dials {
		return fmt.Errorf("poolkit: wait for %d idle members: the pool keeps at most %d", n, most)
	}
	if p.ledger.idle.len >= n {
		return nil
	}
	if err := p.ledger.refusal(); err != nil {
		return p.acquireError(ID{}, false, err)
	}
	r := &readiness{n: n, done: make(chan struct{})}
	p.ledger.readies = append(p.ledger.readies, r)

	p.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	p.mu.Lock()

	if p.ledger.readies.remove(r) {
		return p.acquireError(ID{}, false, whyEnded(ctx))
	}
	if r.err != nil {
		return p.acquireError(ID{}, false, r.err)
	}
	return nil
}

// readiness is a caller of WaitReady.
type readiness struct {
	n    int
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
