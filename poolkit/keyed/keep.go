package keyed

import "time"

// keep is the maintenance of the Pool: one goroutine that evicts where the budget is
// short, and closes the pools of keys that are not used. It sleeps without a timer while
// there are no pools. Shutdown and Close wait for it.
func (p *Pool[K, C]) keep() {
	every := max(p.cfg.MaxIdle/idleQuarters, shortestQuarter)
	timer := time.NewTimer(every)
	timer.Stop()
	for ticking := false; ; {
		select {
		case <-p.budget.Short():
			p.makeRoom()
		case <-p.grown:
			p.fold()
		case <-timer.C:
			p.expire()
			ticking = false
		case <-p.quit:
			timer.Stop()
			return
		}
		if !ticking && p.Stats().Keys > 0 {
			timer.Reset(every)
			ticking = true
		}
	}
}

// makeRoom has idle members shut until nobody is short of them: first of the keys that
// are not in use, in order, whose pools are closed with the last one; then of the others.
func (p *Pool[K, C]) makeRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.order.segments() {
		for n := s.len; n > 0 && s.back != nil; n-- {
			short := p.budget.Shortage()
			if short == 0 || p.closed {
				return
			}
			p.evict(s.back, short)
		}
	}
	for _, s := range p.order.segments() {
		for e := s.back; e != nil; e = e.prev {
			short := p.budget.Shortage()
			if short == 0 {
				return
			}
			e.pool.Shed(short)
		}
	}
	p.budget.Dry()
}

// evict lets a key give up so many idle members, or, where it has no more, its pool, and
// with that what is on its way to nobody. One that is in use counts as used now, so that
// it is not looked at again so soon.
func (p *Pool[K, C]) evict(e *entry[K, C], n int) {
	s := e.pool.Stats()
	switch {
	case s.OnLoan > 0 || s.Waiting > 0:
	case s.Idle > n && e.pool.Shed(n) > 0, s.Idle <= n && p.retire(e):
		if s.Idle+s.Promised > 0 {
			p.order.evicted()
		}
		return
	}
	p.order.refresh(e) // also where somebody was faster, or the peer opened them
}

// fold closes pools that have no members and no use, when there are many: each has a
// goroutine. More than the budget cannot all have members. It looks at all of them, and so
// not before there is a quarter more than it had to leave.
func (p *Pool[K, C]) fold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.order.len() <= p.most || p.closed {
		return
	}
	for _, s := range p.order.segments() {
		for e := s.back; e != nil; {
			next := e.prev
			if e.pool.Stats().Open() == 0 {
				p.retire(e)
			}
			e = next
		}
	}
	p.limit()
}

// limit says how many pools there may be until fold looks at them again.
func (p *Pool[K, C]) limit() {
	n := p.budget.Stats().Limit
	p.most = max(p.order.len(), n) + n/4
}

// idleQuarters are how many whole quarters of MaxIdle pass before a pool is closed.
const idleQuarters = 4

// shortestQuarter bounds how often keep looks at all keys, whatever MaxIdle is.
const shortestQuarter = time.Millisecond

// expire ends a quarter of MaxIdle, and closes the pools that were not used for four.
func (p *Pool[K, C]) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quarter++
	for _, s := range p.order.segments() {
		for e := s.back; e != nil && !p.closed; {
			next := e.prev
			if p.quarter-e.used > idleQuarters && !p.retire(e) {
				e.used = p.quarter // it is in use
			}
			e = next
		}
	}
}

// retire closes a pool that nobody uses. It reports false where somebody does.
func (p *Pool[K, C]) retire(e *entry[K, C]) bool {
	if e.pins > 0 || !e.pool.TryClose() {
		return false
	}
	p.part(e)
	return true
}
