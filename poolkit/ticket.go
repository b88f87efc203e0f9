package poolkit

import (
	"errors"
	"time"

	"github.com/vistone/poolkit/sharding"
)

// ticket is a promise of one place. Every ticket is landed, dropped or refused,
// once.
type ticket struct {
	shard    int
	epoch    uint32
	accepted bool // made for an offer; then id is promised too
	id       ID
}

// errStale is why a member is turned away that was promised before a flush.
var errStale = errors.New("promised before a flush")

// order issues the tickets that bring idle + promised − waiting back to what is
// wanted and what is being replaced, as far as the cap, failures and places allow.
func (l *ledger[C]) order() []ticket {
	if !l.dials || l.quiet || l.draining || l.paused {
		l.share.withdraw()
		return nil
	}
	missing := l.missing()
	if missing <= 0 && (l.share == nil || !l.share.due(want{})) {
		return nil
	}
	most, reserve := l.maxDialing, l.shards.Reserve
	if l.failures >= probeAfter {
		most, reserve = 1, l.shards.ReserveProbe
	}
	n := max(min(missing, most-l.dialing), 0)
	var w want
	if l.share != nil {
		if w = l.want(n); !l.share.due(w) {
			return nil
		}
	}
	var tickets []ticket
	for len(tickets) < n {
		shard, ok := reserve()
		if !ok {
			break
		}
		l.dialing++
		tickets = append(tickets, ticket{shard: shard, epoch: l.epoch})
	}
	if l.share != nil {
		return l.afford(w, tickets)
	}
	return tickets
}

// missing returns how many members have to be ordered.
func (l *ledger[C]) missing() int {
	return l.kept() + len(l.renewals) + l.callers() - l.idle.len - l.promised()
}

// callers returns for how many callers members are made: those who wait, and one of those
// who did not, being told why none is made. Somebody has to find out when it is over,
// also in a pool that keeps nothing ready.
func (l *ledger[C]) callers() int {
	if l.retry {
		return l.waiters.any.len + 1
	}
	return l.waiters.any.len
}

// admit promises a place on a shard, and an ID, to an offer: the first ID if it is
// still to be given, else the given one. It reports room as false when the shard
// is full, and unique as false when the ID is taken.
func (l *ledger[C]) admit(shard int, id ID) (t ticket, room, unique bool) {
	if l.quiet || l.draining {
		return ticket{}, false, true
	}
	if l.firstID != nil {
		if _, taken := l.members.get(*l.firstID); !l.firstGiven && !taken {
			id = *l.firstID
		} else if id == *l.firstID {
			return ticket{}, true, false
		}
	}
	if _, taken := l.members.get(id); taken {
		return ticket{}, true, false
	}
	if !l.shards.ReserveOn(shard) {
		return ticket{}, false, true
	}
	if !l.share.admit() {
		l.shards.Move(shard, sharding.Promised, sharding.Free)
		return ticket{}, false, true
	}
	l.members.put(id, nil)
	return ticket{shard: shard, epoch: l.epoch, accepted: true, id: id}, true, true
}

// land turns a ticket into a member of a peer: it goes to the first waiter, who is returned,
// or becomes idle. Otherwise the member is to be shut and freed, and the error
// says why; errStale and ErrClosed are no failures.
func (l *ledger[C]) land(t ticket, m *member[C], peer string) (*waiter[C], error) {
	m.epoch = t.epoch
	if err := l.objection(t, m); err != nil {
		l.withdraw(t)
		m.why = Gone
		l.move(m, closing)
		return nil, err
	}
	l.withdraw(t)
	l.members.put(m.id, m)
	l.peers.join(m, peer)
	if l.firstID != nil && m.id == *l.firstID {
		l.firstGiven = true
	}
	m.joined = true
	l.counts.created++
	w := l.offer(m)
	m.untried = w != nil || l.doubt && !m.accepted
	m.redeems = l.last != nil || l.doubt || l.failures > 0 || l.shards.Failures(m.shard) > 0
	if m.redeems && !m.untried {
		l.succeeded(m)
	}
	return w, nil
}

// succeeded ends what failures had brought about: a member has arrived, and who got
// it right then found it alive. Were the arrival enough, a peer that ends everything
// at once would be dialled without a pause as long as somebody waits.
func (l *ledger[C]) succeeded(m *member[C]) {
	m.redeems = false
	l.last, l.permanent, l.retry = nil, nil, false
	if !m.accepted { // what a peer opens says nothing about dialling
		l.failures, l.paused, l.doubt = 0, false, false
		l.shards.Succeeded(m.shard)
	}
}

// objection says why a member that arrived cannot stay.
func (l *ledger[C]) objection(t ticket, m *member[C]) error {
	if l.draining {
		return ErrClosed
	}
	if t.epoch != l.epoch {
		return errStale
	}
	if m.outlook == lost {
		return ErrLost
	}
	if t.accepted {
		return nil // its ID was promised to it
	}
	if _, taken := l.members.get(m.id); taken || l.firstID != nil && m.id == *l.firstID {
		return ErrDuplicateID
	}
	return nil
}

// withdraw takes back what a ticket stands for, but for its place.
func (l *ledger[C]) withdraw(t ticket) {
	if t.epoch != l.epoch {
		l.stale--
	}
	if t.accepted {
		l.members.remove(t.id)
	} else {
		l.dialing--
	}
}

// drop gives back a ticket whose member will not come.
func (l *ledger[C]) drop(t ticket) {
	l.withdraw(t)
	l.shards.Move(t.shard, sharding.Promised, sharding.Free)
	l.share.give()
}

// fail notes that a member could not be made: on a shard, whose failures count once
// until it has rested, or, with shard −1, by an Acceptor, which paces itself. It
// returns the waiters that it takes out of their lines: for a permanent error all, and for
// another those for any who would rather know.
func (l *ledger[C]) fail(shard int, err error, now time.Time, chance float64) []*waiter[C] {
	l.counts.failed++
	dialled, permanent := shard >= 0, IsPermanent(err)
	if dialled {
		l.retry = false
		l.setBack(shard, permanent, now, chance)
	}
	if l.permanent != nil && !permanent && l.dialFault != dialled {
		return nil // which says nothing about the cause of that one
	}
	l.last = err
	if !permanent {
		l.permanent = nil // what it was, waiting may now cure
		if err := l.hopeless(); err != nil {
			return l.waiters.failAny(err)
		}
		return nil
	}
	l.permanent, l.dialFault = err, dialled
	l.readies.fail(err)
	return l.waiters.fail(err)
}

// setBack has a shard rest, and after several failures in a row the whole pool pause.
func (l *ledger[C]) setBack(shard int, permanent bool, now time.Time, chance float64) {
	if !l.shards.Resting(shard) {
		l.failures++
		l.shards.Rest(shard, now.Add(backoff(l.shards.Failures(shard)+1, chance)))
	}
	if !permanent && l.failures < probeAfter {
		return
	}
	n := l.failures - probeAfter + 1
	if permanent {
		n = lastPauseAt
	}
	l.paused, l.pausedUntil = true, now.Add(backoff(n, chance))
}

// wake ends the pauses and rests that are over, and returns when the next ends.
func (l *ledger[C]) wake(now time.Time) (next time.Time, ok bool) {
	if l.paused && !l.pausedUntil.After(now) {
		l.paused = false
	}
	proof, doubted := l.believe(now)
	next, ok = l.shards.Wake(now)
	if doubted && (!ok || proof.Before(next)) {
		next, ok = proof, true
	}
	if l.paused && (!ok || l.pausedUntil.Before(next)) {
		next, ok = l.pausedUntil, true
	}
	return next, ok
}

// believe ends the doubt when the longest idle of the members that arrived in it has
// lasted. It returns when that will be, if there is such a member and it has not.
func (l *ledger[C]) believe(now time.Time) (proof time.Time, doubted bool) {
	if !l.doubt {
		return time.Time{}, false
	}
	m := l.idle.front
	for m != nil && (m.accepted || !m.redeems) { // those prove nothing
		m = m.links[ofPool].next
	}
	if m == nil {
		return time.Time{}, false
	}
	if proof = l.began.Add(m.made + proveFor); proof.After(now) {
		return proof, true
	}
	m.untried = false
	l.succeeded(m)
	return time.Time{}, false
}
