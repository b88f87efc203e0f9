package poolkit

import (
	"context"
	"math/rand/v2"
	"time"
)

// accept takes offers until the pool drains. Close waits for it. It never waits
// for the peer behind an offer: each is completed on a goroutine of its own.
func (p *Pool[C]) accept() {
	var err error // of the latest Accept
	defer func() {
		if p.ctx.Err() == nil { // a callback has ended this goroutine: another takes over
			p.work.Go(func() {
				if err == nil || p.acceptFailed(err, 1) {
					p.accept()
				}
			})
		}
	}()
	for failures := 0; ; {
		offer := p.callAccept(&err)
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
		if !p.acceptFailed(err, failures) {
			return
		}
	}
}

// acceptFailed notes that Accept has failed so many times in a row, and pauses. It
// reports false when the pool drains.
func (p *Pool[C]) acceptFailed(err error, failures int) bool {
	p.mu.Lock()
	told := p.ledger.fail(-1, err, time.Now(), 0)
	p.disturb()
	p.mu.Unlock()
	tell(told)
	p.hookFailed(-1, err)
	return p.pause(backoff(failures, rand.Float64()))
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
	var shard int
	var err error
	defer func() {
		if err != nil {
			p.refuse(offer)
			p.hookFailed(-1, err)
			return
		}
		p.place(offer, shard)
	}()
	shard = p.callShard(offer, &err)
}

// place is admit on a certain shard.
func (p *Pool[C]) place(offer Offer[C], shard int) {
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
	p.redeem(t, func(ctx context.Context, err *error) (ID, C) {
		return t.id, p.callAdmit(ctx, offer, t.id, err)
	})
}
