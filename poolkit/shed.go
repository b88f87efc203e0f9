package poolkit

// Shed shuts up to n idle members, whatever the target, and returns how many; it does
// not wait for that. Those go that would be missed least, and none that the peer has
// opened. The pool keeps no more ready in their place until somebody asks it for a
// member, or waits for some with [Pool.WaitReady].
func (p *Pool[C]) Shed(n int) int {
	p.mu.Lock()
	gone := p.ledger.evict(n, Evicted)
	if len(gone) > 0 {
		p.ledger.shed = len(p.ledger.readies) == 0
		p.disturb()
		p.buryLater(gone...)
	}
	p.mu.Unlock()
	return len(gone)
}

// TryClose begins to close the pool, unless somebody uses it: has a member, or waits for
// one. What is on its way is given up. It reports whether the pool is now as good as
// closed. Whoever has closed a pool so then calls [Pool.Shutdown] or [Pool.Close], which
// wait for the end.
func (p *Pool[C]) TryClose() bool {
	p.mu.Lock()
	l := &p.ledger
	if l.waiters.len > 0 || len(l.readies) > 0 || l.lent() > 0 {
		p.mu.Unlock()
		return false
	}
	p.buryLater(l.clear(Evicted)...)
	l.share.leave()
	p.drained() // nobody waits to be told
	p.mu.Unlock()
	p.cancel()
	return true
}
