package poolkit

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// examine starts the examinations that are due, under mu. Each goroutine ends with its
// check, at the latest soon after the pool's context; Close waits for it.
func (p *Pool[C]) examine() {
	for {
		m, sweeping := p.ledger.claim()
		if m == nil {
			return
		}
		p.work.Go(func() { p.check(m, sweeping) })
	}
}

// check examines a member. It is the caller's alone meanwhile, as if it were on loan.
func (p *Pool[C]) check(m *member[C], sweeping bool) {
	why := Gone
	err := ErrLost
	defer func() { p.checked(m, sweeping, why, err) }()
	if !p.unwatch(m) {
		return
	}
	why = Unhealthy
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.CheckTimeout)
	defer cancel()
	if p.callCheck(ctx, m, &err); err == nil {
		p.watch(m, &err)
	}
}

// checked ends an examination.
func (p *Pool[C]) checked(m *member[C], sweeping bool, why Reason, err error) {
	now := time.Now()
	p.mu.Lock()
	w, stays := p.ledger.checked(m, sweeping, err == nil, why, now)
	var told []*waiter[C]
	failed := !stays && (m.why == Unhealthy || m.why == Gone)
	if failed {
		err = fmt.Errorf("check of member %v: %w", m.id, cmp.Or(err, ErrLost))
		told = p.ledger.waiters.failID(m.id, ErrLost)
		// A peer whose members are dead when they are new is dialled at the pace of failures.
		if !m.accepted && p.ledger.at(now)-m.made < proveFor {
			p.ledger.doubt = true
			told = append(told, p.fail(m.shard, false, err)...)
		}
	}
	p.examine()
	if failed {
		p.disturb()
	}
	if len(p.ledger.turns) == 0 {
		p.wake() // to list again
	}
	tickets := p.order()
	p.mu.Unlock()

	tell(told)
	p.dialAll(tickets)
	if w != nil {
		w.ready <- struct{}{}
	}
	if stays {
		return
	}
	defer p.retire(m)
	if failed {
		p.hookFailed(m.shard, err)
	}
}
