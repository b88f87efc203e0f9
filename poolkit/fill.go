package poolkit

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"time"
)

// learntFor is how long a shard counts as full after the peer granted no more
// members on it. One dial in ten seconds is little to pay for finding out.
const learntFor = 10 * time.Second

// dialAll starts the dials of tickets that order has issued. Each goroutine ends
// with its dial, at the latest soon after the pool's context; Close waits for it.
func (p *Pool[C]) dialAll(tickets []ticket) {
	for _, t := range tickets {
		go p.dial(t)
	}
}

func (p *Pool[C]) dial(t ticket) {
	p.redeem(t, func(ctx context.Context, err *error) (ID, C) {
		return p.callDial(ctx, t.shard, err)
	})
}

// redeem makes the member of a ticket on a goroutine of its own. The ticket does not
// get lost, even where the callback ends the goroutine.
func (p *Pool[C]) redeem(t ticket, call func(ctx context.Context, err *error) (ID, C)) {
	defer p.work.Done()
	var id ID
	var conn C
	var err error
	begun := time.Now()
	ctx, cancel := p.bounded()
	defer func() {
		cancel()
		if err == nil && isNil(conn) {
			err = errNoMember
		}
		if err != nil {
			p.drop(t, err)
			return
		}
		p.land(t, p.newMember(t, id, conn), begun)
	}()
	id, conn = call(ctx, &err)
}

// bounded returns the context of one call of Dial or Admit.
func (p *Pool[C]) bounded() (context.Context, context.CancelFunc) {
	if p.cfg.DialTimeout < 0 {
		return p.ctx, nothing
	}
	return context.WithTimeout(p.ctx, p.cfg.DialTimeout)
}

func nothing() {}

var errNoMember = errors.New("no member and no error: the dialer or offer returned nil for both")

// isNil reports whether a source returned no member at all.
func isNil(conn any) bool {
	if conn == nil {
		return true
	}
	switch v := reflect.ValueOf(conn); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		return v.IsNil()
	default:
		return false
	}
}

func (p *Pool[C]) newMember(t ticket, id ID, conn C) *member[C] {
	return &member[C]{pool: p, conn: conn, id: id, shard: t.shard, accepted: t.accepted, made: time.Since(p.ledger.began)}
}

// land brings a member that has just been made into the pool. Making it began at
// begun.
func (p *Pool[C]) land(t ticket, m *member[C], begun time.Time) {
	var peer string
	var unfit error
	defer func() { p.join(t, m, peer, begun, unfit) }()
	if !t.accepted { // a member that is admitted gets an ID that nobody has
		p.bequeath(m.id)
	}
	peer = p.callPeer(m, &unfit)
	if unfit == nil {
		m.sequence = p.callSequence(m, &unfit)
	}
	if unfit == nil {
		p.watch(m, &unfit)
	}
}

// bequeath takes an ID from a dead member that somebody still has, if it is such a one's.
func (p *Pool[C]) bequeath(id ID) {
	if p.cfg.Dead == nil {
		return
	}
	p.mu.Lock()
	old := p.ledger.holder(id)
	p.mu.Unlock()
	if old == nil || !p.dead(old) {
		return
	}
	p.mu.Lock()
	p.ledger.disown(old)
	p.mu.Unlock()
}

// join is the rest of land, once the callbacks have said what they know of the member,
// or that it is unfit.
func (p *Pool[C]) join(t ticket, m *member[C], peer string, begun time.Time, unfit error) {
	p.mu.Lock()
	if unfit != nil {
		m.outlook = lost
	}
	w, err := p.ledger.land(t, m, peer)
	var told []*waiter[C]
	if err == nil {
		p.ledger.counts.leadSum += m.made - p.ledger.at(begun)
		if p.ledger.doubt {
			p.wake() // to see whether it lasts
		}
		p.relieve()
	} else if unfit != nil {
		err = unfit
	}
	failed := err != nil && !errors.Is(err, errStale) && !errors.Is(err, ErrClosed)
	if failed {
		told = p.fail(t.shard, t.accepted, err)
	}
	tickets := p.order()
	p.disturb()
	p.mu.Unlock()

	tell(told)
	p.dialAll(tickets)
	switch {
	case err != nil:
		p.retire(m)
		if failed {
			p.hookFailed(t.shard, err)
		}
	default:
		if w != nil {
			w.ready <- struct{}{}
		}
		p.hookJoined(m)
	}
}

// drop gives back a ticket whose member could not be made.
func (p *Pool[C]) drop(t ticket, err error) {
	over := p.ctx.Err() != nil // then the failure says nothing about the peer
	full := errors.Is(err, ErrShardFull) && !t.accepted
	var told []*waiter[C]
	p.mu.Lock()
	p.ledger.drop(t)
	switch {
	case over:
	case full:
		p.ledger.shards.Learn(t.shard, time.Now().Add(learntFor))
		p.wake()
	default:
		told = p.fail(t.shard, t.accepted, err)
	}
	tickets := p.order()
	p.checkEmpty()
	p.mu.Unlock()

	tell(told)
	p.dialAll(tickets)
	if !over && !full {
		p.hookFailed(t.shard, err)
	}
}

// fail notes a failure in the ledger, under mu.
func (p *Pool[C]) fail(shard int, accepted bool, err error) []*waiter[C] {
	if accepted {
		shard = -1 // a peer that is turned away is no reason to stop dialling it
	}
	told := p.explain(p.ledger.fail(shard, err, time.Now(), rand.Float64()))
	p.asleep = false
	p.wake()
	return told
}
