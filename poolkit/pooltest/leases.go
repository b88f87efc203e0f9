package pooltest

import (
	"io"
	"sync"

	"github.com/vistone/poolkit/poolkit"
)

// Members can be used by all their borrowers at once, also long after the context of
// their dial has ended.
func everyMemberWorks[C comparable](r *rig[C]) {
	r.examines = true
	r.ready()
	r.rest()
	all := r.hold(everybody)
	if r.Failed() {
		r.Fatalf("members have to work when they are lent, also after the context of their dial has ended")
	}
	var users sync.WaitGroup
	for i, l := range all {
		users.Go(func() {
			for range 3 {
				r.works(l, i+1, "among others in use")
			}
		})
	}
	r.within(users.Wait, "a member does not answer, nor does Echo give up")
	r.drop(all)
	r.settled()
}

func foundByID[C comparable](r *rig[C]) {
	p := r.ready()
	for i, m := range r.someIdle()[:kept] {
		l := r.acquireID(m.id)
		r.claim(l, i+1)
		if l.ID() != m.id || l.Conn() != m.conn {
			r.Errorf("asked for member %v, got %v: %v, want %v", m.id, l.ID(), l.Conn(), m.conn)
		}
		r.works(l, i+1, "that was asked for by its ID")
		ctx, cancel := r.briefly()
		if other, err := p.AcquireID(ctx, m.id); err == nil {
			r.claim(other, -1) // says the rest
		}
		cancel()
		r.giveBack(l, i+1)
	}
	r.settled()
}

func (r *rig[C]) acquireID(id poolkit.ID) poolkit.Lease[C] {
	r.Helper()
	var l poolkit.Lease[C]
	var err error
	r.within(func() { l, err = r.pool.Load().AcquireID(r.Context(), id) }, "member %v has joined the pool, and is not found by its ID", id)
	if err != nil {
		r.Fatalf("AcquireID(%v): %v", id, err)
	}
	return l
}

func foundByPeer[C comparable](r *rig[C]) {
	name := r.backend.Config.Peer
	r.needs(name != nil, "Peer")
	p := r.ready()
	for i, m := range r.someIdle()[:kept] {
		peer := name(m.conn)
		var l poolkit.Lease[C]
		var err error
		r.within(func() { l, err = p.AcquireFrom(r.Context(), peer) },
			"a member of peer %q has joined the pool, and none of that peer is found: Peer must always say the same of a member", peer)
		if err != nil {
			r.Fatalf("AcquireFrom(%q): %v", peer, err)
		}
		r.claim(l, i+1)
		if now := name(l.Conn()); l.Peer() != peer || now != peer {
			r.Errorf("asked for a member of peer %q, got one of %q, of which Peer now says %q", peer, l.Peer(), now)
		}
		r.works(l, i+1, "that was asked for by its peer")
		r.giveBack(l, i+1)
	}
	r.settled()
}

func sameID[C comparable](r *rig[C]) {
	r.needs(r.backend.PeerID != nil, "PeerID")
	r.ready()
	all := r.hold(everybody)
	for _, l := range all {
		id, err := r.backend.PeerID(l.Conn())
		switch {
		case err != nil:
			r.Errorf("PeerID of member %v: %v", l.ID(), err)
		case id != l.ID():
			r.Errorf("member %v is called %v by the peer", l.ID(), id)
		}
	}
	r.drop(all)
	r.settled()
}

func releasedServesNext[C comparable](r *rig[C]) {
	p := r.ready()
	l := r.borrow(1)
	id, c := l.ID(), l.Conn()
	for range 5 {
		r.giveBack(l, 1)
		if r.single {
			break
		}
		l = r.acquireID(id)
		r.claim(l, 1)
		if l.Conn() != c {
			r.Fatalf("member %v came back as another: %v, was %v", id, l.Conn(), c)
		}
		r.works(l, 1, "that was released and lent again")
	}
	if !r.single {
		if n := r.census.was(c).shut; n != 0 {
			r.Errorf("member %v was shut although it works and others are to use it", id)
		}
		r.giveBack(l, 1)
	} else if l, ok := p.TryAcquireID(id); ok {
		r.Errorf("member %v, of single use, was lent again: %v", id, l.Conn())
	}
	r.settled()
}

// A member that is discarded has ended for both ends, and the others have not.
func discardedIsEnded[C comparable](r *rig[C]) {
	r.ready()
	all := r.hold(everybody)
	for i, l := range all {
		r.yield(l, i+1)
		l.Discard()
		if n := r.census.was(l.Conn()).shut; n != 1 {
			r.Errorf("when Discard has returned, member %v has been shut %d times", l.ID(), n)
		}
		for n, other := range all[i+1:] {
			r.works(other, i+n+2, "beside one that was shut")
		}
		if r.backend.Echo == nil {
			continue
		}
		r.within(func() {
			if err := r.echo(l, i+1); err == nil {
				r.Errorf("member %v still works after Shut, which has to end it", l.ID())
			}
		}, "Echo over a member that was shut neither fails nor gives up")
	}
	r.settled()
}

func leaseEndsOnce[C comparable](r *rig[C]) {
	p := r.ready()
	ends := []func(poolkit.Lease[C]){
		poolkit.Lease[C].Release,
		poolkit.Lease[C].Discard,
		func(l poolkit.Lease[C]) {
			if l.Hijack() {
				r.Errorf("member %v was hijacked with a lease that was over", l.ID())
			}
		},
	}
	for first, end := range ends[:2] {
		l := r.borrow(1)
		r.yield(l, 1)
		end(l)
		var again poolkit.Lease[C]
		if first == 0 && !r.single {
			again = r.acquireID(l.ID())
			r.claim(again, 2)
		} else {
			again = r.borrow(2)
		}
		for _, late := range ends {
			late(l)
		}
		if n := p.Stats().OnLoan; n != 1 {
			r.Errorf("a lease was ended twice: then %d members are on loan, want the one that somebody has", n)
		}
		r.works(again, 2, "whose last lease was ended twice")
		r.giveBack(again, 2)
	}
	r.settled()
}

func hijacked[C comparable](r *rig[C]) {
	r.ready()
	l := r.borrow(1)
	r.census.hijack(l.Conn())
	if !l.Hijack() {
		r.Fatalf("member %v cannot be hijacked by who has it", l.ID())
	}
	for _, late := range []func(){l.Release, l.Discard} {
		late()
	}
	if l.Hijack() {
		r.Errorf("member %v was hijacked twice", l.ID())
	}
	r.works(l, 1, "that was hijacked")
	if err := r.backend.Config.Shut(l.Conn()); err != nil {
		r.Errorf("Shut, by who has hijacked the member: %v", err)
	}
	r.settled()
}

// A backend that asks for its members' leases ends them when a member is closed by
// itself.
func closedByBorrower[C comparable](r *rig[C]) {
	r.needs(r.backend.Config.Lent != nil, "Lent")
	p := r.ready()
	var closer io.Closer
	for i := range everybody {
		l := r.borrow(i + 1)
		var ok bool
		if closer, ok = any(l.Conn()).(io.Closer); !ok {
			r.giveBack(l, i+1)
			r.needs(false, "members with a method Close")
		}
		r.census.hijack(l.Conn())
		if err := closer.Close(); err != nil {
			r.Errorf("Close of member %v: %v", l.ID(), err)
		}
		r.eventually(func() bool { return p.Stats().OnLoan == 0 },
			"member %v was closed by its borrower, and is still on loan: a backend with Lent must end the lease then", l.ID())
	}
	r.settled()
}
