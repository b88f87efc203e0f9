package poolkit

// Lease is the right to use a member. End it with Release or Discard, once; what
// comes later has no effect, even when the member has been lent again meanwhile.
//
// A Lease is a small value. Copies are the same lease, and the zero Lease is one
// that is over. It may be ended by any goroutine.
type Lease[C any] struct {
	m    *member[C]
	loan uint64
}

// Conn returns the member. It must not be used after the lease has ended.
func (l Lease[C]) Conn() C {
	if l.m == nil {
		var none C
		return none
	}
	return l.m.conn
}

// ID returns the member's ID.
func (l Lease[C]) ID() ID {
	if l.m == nil {
		return ID{}
	}
	return l.m.id
}

// Shard returns the number of the member's shard.
func (l Lease[C]) Shard() int {
	if l.m == nil {
		return 0
	}
	return l.m.shard
}

// Peer returns the name of the member's peer, as [Config.Peer] gave it; without that
// it is empty.
func (l Lease[C]) Peer() string {
	if l.m == nil || l.m.peer == nil {
		return ""
	}
	return l.m.peer.name
}

// Release ends the lease and makes the member idle again, or hands it to who waits.
// In a pool with [Config.SingleUse], after a flush, and where it is no longer
// healthy, too old ([Config.MaxAge]) or worn ([Config.MaxUses]), the member is shut
// instead, as by Discard.
func (l Lease[C]) Release() {
	if l.m != nil {
		l.m.pool.release(l)
	}
}

func (p *Pool[C]) release(l Lease[C]) {
	p.mu.Lock()
	if !p.ledger.held(l.m, l.loan) {
		p.mu.Unlock()
		return
	}
	if p.plain {
		if w, ok := p.ledger.back(l.m); ok {
			p.disturb()
			p.mu.Unlock()
			if w != nil {
				w.ready <- struct{}{}
			}
			return
		}
	}
	if why, back := p.ledger.takeBack(l.m); !back {
		p.dismiss(l.m, why)
		return
	}
	p.mu.Unlock()
	p.readmit(l.m)
}

// readmit makes a member idle again whose loan is over, if it is fit. It is the caller's
// alone until then.
func (p *Pool[C]) readmit(m *member[C]) {
	fit := false
	defer func() { p.putBack(m, fit) }()
	fit = p.healthy(m) && p.rewatch(m)
}

// rewatch starts the watch of a member that comes back.
func (p *Pool[C]) rewatch(m *member[C]) bool {
	var err error
	defer func() {
		if err != nil {
			p.hookFailed(m.shard, err)
		}
	}()
	p.watch(m, &err)
	return err == nil
}

// putBack completes the return of a member.
func (p *Pool[C]) putBack(m *member[C], fit bool) {
	why := Ended
	p.mu.Lock()
	switch {
	case !fit:
		m.outlook, why = lost, Unhealthy
	case m.outlook == lost:
		why = Gone
	}
	w, ok := p.ledger.putBack(m)
	p.disturb()
	if !ok {
		p.ledger.close(m, why)
	}
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	if w != nil {
		w.ready <- struct{}{}
	}
	if !ok {
		p.retire(m)
	}
}

// dismiss shuts a member whose loan is over and that cannot stay. Its replacement does not
// wait for that. It unlocks mu.
func (p *Pool[C]) dismiss(m *member[C], why Reason) {
	p.ledger.close(m, why)
	if why == Aged {
		p.wake() // to see to the next when its time comes
	}
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	p.bury(m)
}

// Discard ends the lease and shuts the member. It returns when that is done.
func (l Lease[C]) Discard() {
	if l.m != nil {
		l.m.pool.end(l, Ended)
	}
}

// Hijack ends the lease and leaves the member to the caller, who shuts it or has
// done so: the pool gives its place away and does not call Shut. It reports false
// when the lease was over already: then the member is not the caller's, and may have
// been shut by [Pool.Close].
func (l Lease[C]) Hijack() bool {
	if l.m == nil {
		return false
	}
	p := l.m.pool
	p.mu.Lock()
	if !p.ledger.held(l.m, l.loan) {
		p.mu.Unlock()
		return false
	}
	p.ledger.close(l.m, Ended)
	p.mu.Unlock()
	p.free(l.m) // which orders its replacement
	return true
}

// end ends a lease and shuts its member, unless the lease is over.
func (p *Pool[C]) end(l Lease[C], why Reason) {
	p.mu.Lock()
	if !p.ledger.held(l.m, l.loan) {
		p.mu.Unlock()
		return
	}
	p.dismiss(l.m, why)
}
