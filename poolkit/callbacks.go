package poolkit

import (
	"context"

	"github.com/vistone/poolkit/sizing"
)

// Every call of somebody else's code is here, each without the lock and each with
// its panics turned into errors. A callback may also end the goroutine that it runs
// on. So what has to be done after one in any case is deferred by its caller, who
// finds the error where err points.

// lookInto looks into an error that a callback has returned. One that cannot bear that, as
// a nil pointer that is an error, panics here, where it is contained.
func lookInto(err error) { _ = IsPermanent(err) }

func (p *Pool[C]) callDial(ctx context.Context, shard int, err *error) (id ID, conn C) {
	*err = errUnreturned
	defer contain("Dial", err)
	id, conn, *err = p.cfg.Dialer.Dial(ctx, shard)
	lookInto(*err)
	return id, conn
}

func (p *Pool[C]) callAccept(err *error) (offer Offer[C]) {
	*err = errUnreturned
	defer contain("Accept", err)
	offer, *err = p.cfg.Acceptor.Accept(p.ctx)
	lookInto(*err)
	if *err == nil && isNil(offer) {
		*err = errNoMember
	}
	return offer
}

func (p *Pool[C]) callShard(offer Offer[C], err *error) (shard int) {
	*err = errUnreturned
	defer contain("Shard", err)
	shard = offer.Shard()
	*err = nil
	return shard
}

func (p *Pool[C]) callAdmit(ctx context.Context, offer Offer[C], id ID, err *error) (conn C) {
	*err = errUnreturned
	defer contain("Admit", err)
	conn, *err = offer.Admit(ctx, id)
	lookInto(*err)
	return conn
}

func (p *Pool[C]) refuse(offer Offer[C]) {
	p.mu.Lock()
	p.ledger.counts.refused++
	p.mu.Unlock()
	err := errUnreturned
	defer p.report(&err)
	defer contain("Refuse", &err)
	offer.Refuse()
	err = nil
}

func (p *Pool[C]) callShut(m *member[C], err *error) {
	*err = errUnreturned
	defer contain("Shut", err)
	*err = p.cfg.Shut(m.conn)
	lookInto(*err)
}

// callPeer asks whose a member is.
func (p *Pool[C]) callPeer(m *member[C], err *error) (name string) {
	if p.cfg.Peer == nil {
		return ""
	}
	*err = errUnreturned
	defer contain("Peer", err)
	name = p.cfg.Peer(m.conn)
	*err = nil
	return name
}

// callSequence asks which of its shard a member is.
func (p *Pool[C]) callSequence(m *member[C], err *error) (n uint64) {
	if p.cfg.Sequence == nil {
		return 0
	}
	*err = errUnreturned
	defer contain("Sequence", err)
	n = p.cfg.Sequence(m.conn)
	*err = nil
	return n
}

// watch starts the watch of a member that is about to become idle.
func (p *Pool[C]) watch(m *member[C], err *error) {
	if p.cfg.Watch == nil {
		return
	}
	*err = errUnreturned
	defer contain("Watch", err)
	m.stop = p.cfg.Watch(m.conn, m)
	*err = nil
}

// unwatch ends the watch of a member that is no longer idle. It reports false when
// the member has ended.
func (p *Pool[C]) unwatch(m *member[C]) (alive bool) {
	stop := m.stop
	if stop == nil {
		return true
	}
	m.stop = nil
	err := errUnreturned
	defer p.report(&err)
	defer contain("Watch's stop", &err)
	alive = stop()
	err = nil
	return alive
}

func (p *Pool[C]) healthy(m *member[C]) (ok bool) {
	if p.cfg.Healthy == nil {
		return true
	}
	err := errUnreturned
	defer p.report(&err)
	defer contain("Healthy", &err)
	ok = p.cfg.Healthy(m.conn)
	err = nil
	return ok
}

func (p *Pool[C]) dead(m *member[C]) (dead bool) {
	err := errUnreturned
	defer p.report(&err)
	defer contain("Dead", &err)
	dead = p.cfg.Dead(m.conn)
	err = nil
	return dead
}

func (p *Pool[C]) callCheck(ctx context.Context, m *member[C], err *error) {
	*err = errUnreturned
	defer contain("Check", err)
	*err = p.cfg.Check(ctx, m.conn)
	lookInto(*err)
}

func (p *Pool[C]) lent(l Lease[C]) {
	if p.cfg.Lent == nil {
		return
	}
	err := errUnreturned
	defer p.report(&err)
	defer contain("Lent", &err)
	p.cfg.Lent(l.m.conn, l)
	err = nil
}

func (p *Pool[C]) announce(ctx context.Context) {
	err := errUnreturned
	defer p.report(&err)
	defer contain("Announce", &err)
	p.cfg.Announce(ctx)
	err = nil
}

func (p *Pool[C]) callLinger(ctx context.Context) {
	err := errUnreturned
	defer p.report(&err)
	defer contain("Linger", &err)
	p.cfg.Linger(ctx)
	err = nil
}

func (p *Pool[C]) callClosed(err *error) {
	if p.cfg.Closed == nil {
		return
	}
	*err = errUnreturned
	defer contain("Closed", err)
	*err = p.cfg.Closed()
}

func callStep(policy sizing.Policy, o sizing.Observation, err *error) (d sizing.Decision) {
	*err = errUnreturned
	defer contain("Step", err)
	d = policy.Step(o)
	*err = nil
	return d
}

func (p *Pool[C]) hookJoined(m *member[C]) {
	if p.cfg.Hooks.Joined == nil {
		return
	}
	err := errUnreturned
	defer p.report(&err)
	defer contain("Hooks.Joined", &err)
	p.cfg.Hooks.Joined(m.id, m.shard)
	err = nil
}

func (p *Pool[C]) hookLeft(m *member[C], why Reason) {
	if p.cfg.Hooks.Left == nil {
		return
	}
	err := errUnreturned
	defer p.report(&err)
	defer contain("Hooks.Left", &err)
	p.cfg.Hooks.Left(m.id, m.shard, why)
	err = nil
}

func (p *Pool[C]) hookResized(from, to int) {
	if p.cfg.Hooks.Resized == nil || from == to {
		return
	}
	err := errUnreturned
	defer p.report(&err)
	defer contain("Hooks.Resized", &err)
	p.cfg.Hooks.Resized(from, to)
	err = nil
}

func (p *Pool[C]) hookFailed(shard int, err error) {
	if p.cfg.Hooks.Failed == nil {
		return
	}
	var hookErr error // a panic of the hook that reports panics is reported to nobody
	defer contain("Hooks.Failed", &hookErr)
	p.cfg.Hooks.Failed(shard, err)
}

// report tells the Failed hook of an error that no other way leads to. It is
// deferred before contain, so that it runs after it.
func (p *Pool[C]) report(err *error) {
	if *err != nil {
		p.hookFailed(-1, *err)
	}
}
