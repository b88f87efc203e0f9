package poolkit

import (
	"context"

	"github.com/vistone/poolkit/sizing"
)

// Every call of somebody else's code is here, each without the lock and each with
// its panics turned into errors.

func (p *Pool[C]) callDial(ctx context.Context, shard int) (id ID, conn C, err error) {
	defer contain("Dial", &err)
	return p.cfg.Dialer.Dial(ctx, shard)
}

func (p *Pool[C]) callAccept() (offer Offer[C], err error) {
	defer contain("Accept", &err)
	offer, err = p.cfg.Acceptor.Accept(p.ctx)
	if err == nil && offer == nil {
		err = errNoMember
	}
	return offer, err
}

func (p *Pool[C]) callShard(offer Offer[C]) (shard int, err error) {
	defer contain("Shard", &err)
	return offer.Shard(), nil
}

func (p *Pool[C]) callAdmit(ctx context.Context, offer Offer[C], id ID) (conn C, err error) {
	defer contain("Admit", &err)
	return offer.Admit(ctx, id)
}

func (p *Pool[C]) refuse(offer Offer[C]) {
	p.mu.Lock()
	p.ledger.counts.refused++
	p.mu.Unlock()
	var err error
	defer p.report(&err)
	defer contain("Refuse", &err)
	offer.Refuse()
}

func (p *Pool[C]) callShut(m *member[C]) (err error) {
	defer contain("Shut", &err)
	return p.cfg.Shut(m.conn)
}

// callPeer asks whose a member is.
func (p *Pool[C]) callPeer(m *member[C]) (name string, err error) {
	if p.cfg.Peer == nil {
		return "", nil
	}
	defer contain("Peer", &err)
	return p.cfg.Peer(m.conn), nil
}

// callSequence asks which of its shard a member is.
func (p *Pool[C]) callSequence(m *member[C]) (n uint64, err error) {
	if p.cfg.Sequence == nil {
		return 0, nil
	}
	defer contain("Sequence", &err)
	return p.cfg.Sequence(m.conn), nil
}

// watch starts the watch of a member that is about to become idle.
func (p *Pool[C]) watch(m *member[C]) (err error) {
	if p.cfg.Watch == nil {
		return nil
	}
	defer contain("Watch", &err)
	m.stop = p.cfg.Watch(m.conn, m)
	return nil
}

// unwatch ends the watch of a member that is no longer idle. It reports false when
// the member has ended.
func (p *Pool[C]) unwatch(m *member[C]) (alive bool) {
	stop := m.stop
	if stop == nil {
		return true
	}
	m.stop = nil
	var err error
	defer p.report(&err)
	defer contain("Watch's stop", &err)
	return stop()
}

func (p *Pool[C]) healthy(m *member[C]) (ok bool) {
	if p.cfg.Healthy == nil {
		return true
	}
	var err error
	defer p.report(&err)
	defer contain("Healthy", &err)
	return p.cfg.Healthy(m.conn)
}

func (p *Pool[C]) lent(l Lease[C]) {
	if p.cfg.Lent == nil {
		return
	}
	var err error
	defer p.report(&err)
	defer contain("Lent", &err)
	p.cfg.Lent(l.m.conn, l)
}

func (p *Pool[C]) announce(ctx context.Context) {
	var err error
	defer p.report(&err)
	defer contain("Announce", &err)
	p.cfg.Announce(ctx)
}

func (p *Pool[C]) linger(ctx context.Context) {
	if p.cfg.Linger == nil {
		return
	}
	var err error
	defer p.report(&err)
	defer contain("Linger", &err)
	p.cfg.Linger(ctx)
}

func (p *Pool[C]) callClosed() (err error) {
	if p.cfg.Closed == nil {
		return nil
	}
	defer contain("Closed", &err)
	return p.cfg.Closed()
}

func callStep(policy sizing.Policy, o sizing.Observation) (d sizing.Decision, err error) {
	defer contain("Step", &err)
	return policy.Step(o), nil
}

func (p *Pool[C]) hookJoined(m *member[C]) {
	if p.cfg.Hooks.Joined == nil {
		return
	}
	var err error
	defer p.report(&err)
	defer contain("Hooks.Joined", &err)
	p.cfg.Hooks.Joined(m.id, m.shard)
}

func (p *Pool[C]) hookLeft(m *member[C], why Reason) {
	if p.cfg.Hooks.Left == nil {
		return
	}
	var err error
	defer p.report(&err)
	defer contain("Hooks.Left", &err)
	p.cfg.Hooks.Left(m.id, m.shard, why)
}

func (p *Pool[C]) hookResized(from, to int) {
	if p.cfg.Hooks.Resized == nil || from == to {
		return
	}
	var err error
	defer p.report(&err)
	defer contain("Hooks.Resized", &err)
	p.cfg.Hooks.Resized(from, to)
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
