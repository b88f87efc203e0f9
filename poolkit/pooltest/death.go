package pooltest

import (
	"sync"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// A member that the peer has ended while it was idle is never lent, as soon as the
// backend can know, and the others stay.
func endedNotLent[C comparable](r *rig[C]) {
	r.needs(r.backend.Kill != nil, "Kill")
	p := r.ready()
	if !r.single { // members that have been used are watched too
		r.drop(r.hold(kept))
		r.settled()
	}
	r.mature()
	before := r.someIdle()
	dead, others := before[0], before[1:]
	r.kill(dead.id, dead.conn)
	r.noticed(dead)
	for _, m := range others {
		if why, gone := r.census.why(m.id); gone {
			r.Errorf("the peer has ended member %v, and member %v left the pool too: %v", dead.id, m.id, why)
		}
	}
	all := r.hold(everybody)
	for _, l := range all {
		if l.Conn() == dead.conn {
			r.Errorf("member %v was lent after the peer had ended it", dead.id)
		}
	}
	if l, ok := p.TryAcquireID(dead.id); ok && l.Conn() == dead.conn {
		r.Errorf("member %v was lent, to who asked for its ID, after the peer had ended it", dead.id)
	}
	r.drop(all)
	r.settled()
}

// The watch tells, and before the pool has heard it, it asks for the member: then the
// watch's stop, or Healthy, says that the member has ended.
func endedUntold[C comparable](r *rig[C]) {
	r.needs(r.backend.Kill != nil, "Kill")
	r.needs(r.backend.Config.Watch != nil, "Watch")
	p := r.ready()
	r.deaf.Store(true)
	dead := r.someIdle()[0]
	r.kill(dead.id, dead.conn)
	r.eventually(func() bool { return r.census.was(dead.conn).told },
		"the peer has ended member %v, which is idle, and Watch does not tell", dead.id)
	if l, ok := p.TryAcquireID(dead.id); ok && l.Conn() == dead.conn {
		r.Errorf("member %v was lent although Watch had told of its end: "+
			"then the watch's stop must report false, or Healthy", dead.id)
		l.Discard()
	}
	r.deaf.Store(false)
	r.drop(r.hold(everybody))
	r.settled()
}

// noticed waits until the backend knows that the peer has ended an idle member.
func (r *rig[C]) noticed(m person[C]) {
	r.Helper()
	switch cfg := &r.backend.Config; {
	case cfg.Watch != nil:
		r.eventually(func() bool { _, gone := r.census.why(m.id); return gone },
			"the peer has ended member %v, which is idle, and Watch does not tell", m.id)
	case cfg.Healthy != nil:
		r.eventually(func() bool { return !cfg.Healthy(m.conn) },
			"the peer has ended member %v, and Healthy says that it is healthy", m.id)
	case cfg.Check != nil:
		r.eventually(func() bool { _, gone := r.census.why(m.id); return gone },
			"the peer has ended member %v, which is idle, and Check finds nothing wrong", m.id)
	default:
		r.Fatalf("the backend has neither Watch nor Healthy nor Check: a member that the peer has ended would be lent. Set one of them")
	}
}

// mature waits, in virtual time, until the end of a member is not taken for a failure to
// make it.
func (r *rig[C]) mature() {
	if r.bubble {
		<-time.After(2 * time.Second)
		synctest.Wait()
	}
}

// The peer ends all that is idle, again and again, and nobody is lent a dead member.
func allEnded[C comparable](r *rig[C]) {
	r.needs(r.backend.Kill != nil, "Kill")
	r.ready()
	for range 3 {
		dead := r.someIdle()
		var peers sync.WaitGroup
		for _, m := range dead {
			peers.Go(func() { r.kill(m.id, m.conn) })
		}
		r.within(peers.Wait, "Kill does not return")
		for _, m := range dead {
			r.noticed(m)
		}
		r.drop(r.hold(everybody)) // they all work
		r.full()
	}
	r.settled()
}

// The peer ends a member that somebody has. The watch, which has been stopped, does not
// tell, and the member does not go back to the idle ones.
func endedOnLoan[C comparable](r *rig[C]) {
	r.needs(r.backend.Kill != nil, "Kill")
	p := r.ready()
	for _, release := range []func(poolkit.Lease[C]){poolkit.Lease[C].Release, poolkit.Lease[C].Discard} {
		l := r.borrow(1)
		r.rest()
		r.kill(l.ID(), l.Conn())
		r.rest()
		if r.backend.Echo != nil {
			r.within(func() {
				if err := r.echo(l, 1); err == nil {
					r.Errorf("member %v still works after Kill", l.ID())
				}
			}, "Echo over a member that the peer has ended neither fails nor gives up")
		}
		r.yield(l, 1)
		release(l)
		r.eventually(func() bool { return r.census.was(l.Conn()).shut == 1 },
			"the peer has ended member %v while it was on loan, and after its release it is idle: "+
				"Watch, Healthy or Check must find that out", l.ID())
		if again, ok := p.TryAcquireID(l.ID()); ok && again.Conn() == l.Conn() {
			r.Errorf("member %v was lent again after the peer had ended it", l.ID())
		}
	}
	r.settled()
}

// Members that nobody touches stay as they are. That takes time, so it is for bubbles.
func untouched[C comparable](r *rig[C]) {
	r.needs(r.bubble, "virtual time")
	p := r.ready()
	before := r.someIdle()
	<-time.After(10 * time.Minute)
	synctest.Wait()
	for _, m := range before {
		if why, gone := r.census.why(m.id); gone {
			r.Errorf("member %v, which nobody touched, left the pool: %v", m.id, why)
		}
	}
	if n := p.Stats().Created; n != uint64(len(r.census.open())) {
		r.Errorf("%d members have arrived while nobody used the pool, and %d are open", n, len(r.census.open()))
	}
	r.drop(r.hold(everybody))
	r.settled()
}
