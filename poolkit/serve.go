package poolkit

import (
	"math/rand/v2"
	"time"
)

// accept takes offers until the pool drains. Close waits for it. It never waits
// for the peer behind an offer: each is completed on a goroutine of its own.
func (p *Pool[C]) accept() {
	for failures := 0; ; {
		offer, err := p.callAccept()
		if p.ctx.Err() != nil {
			if err == nil {
				p.refuse(offer)
			}
			return
		}
		if err == nil {
			failures = 0
			p.admit(offer)
			continue
		}
		failures++
		p.mu.Lock()
		told := p.ledger.fail(-1, err, time.Now(), 0)
		p.disturb()
		p.mu.Unlock()
		tell(told)
		p.hookFailed(-1, err)
		if !p.pause(backoff(failures, rand.Float64())) {
			return
		}
	}
}

// pause waits, and reports false when the pool drains meanwhile.
func (p *Pool[C]) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// admit gives an offer a place and an ID, or refuses it.
func (p *Pool[C]) admit(offer Offer[C]) {
	shard, err := p.callShard(offer)
	if err != nil {
		p.refuse(offer)
		p.hookFailed(-1, err)
		return
	}
	for {
		id := RandomID()
		p.mu.Lock()
		t, room, unique := p.ledger.admit(shard, id)
		if room && unique {
			p.work.Add(1)
		}
		p.mu.Unlock()
		switch {
		case !unique:
			continue // one in 2³² for each open member
		case !room:
			p.refuse(offer)
		default:
			go p.complete(t, offer)
		}
		return
	}
}

// complete lets an offer become a member. It ends with Admit, at the latest soon
// after the pool's context; Close waits for it.
func (p *Pool[C]) complete(t ticket, offer Offer[C]) {
	defer p.work.Done()
	begun := time.Now()
	ctx, cancel := p.bounded()
	conn, err := p.callAdmit(ctx, offer, t.id)
	cancel()
	if err == nil && isNil(conn) {
		err = errNoMember
	}
	if err != nil {
		p.drop(t, err)
		return
	}
	p.land(t, p.newMember(t, t.id, conn), begun)
}
