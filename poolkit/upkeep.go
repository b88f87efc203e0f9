package poolkit

import (
	"math"
	"slices"
	"time"
)

// renewedAtOnce is how many members are replaced at once because they stood unused: as
// many as are shut at once. All idle members may be due together.
const renewedAtOnce = 16

// grain is how many times the pool looks at itself in the shortest of the times that
// members are kept up by. What happens between two looks counts from the second.
const grain = 8

// never is a time that does not come.
const never time.Duration = math.MaxInt64

// upkeep is the part of the ledger that sees to members that come back: how old they
// get, how long they stand unused, and how often they are lent. All its times count
// from when the pool began.
type upkeep[C any] struct {
	// Set by newUpkeep; zero is no limit.
	maxAge, maxIdle time.Duration
	maxUses         uint64
	limited         bool          // maxAge or maxUses is set
	tick            time.Duration // between two looks at a pool in use; zero: none are needed

	now      time.Duration // as of the latest look
	renewals []*member[C]  // idle members whose replacement is on its way, in order
	aged     time.Duration // before that no idle member is too old
	elder    *member[C]    // the one in renewals because of its age
	chosen   time.Duration // when it was
	retired  time.Duration // when the latest that went because of its age was
}

func newUpkeep[C any](cfg *Config[C]) upkeep[C] {
	u := upkeep[C]{
		maxAge:  cfg.MaxAge,
		maxIdle: cfg.MaxIdle,
		maxUses: uint64(cfg.MaxUses),
		limited: cfg.MaxAge > 0 || cfg.MaxUses > 0,
		aged:    never,
		retired: -cfg.MaxAge,
	}
	for _, d := range []time.Duration{cfg.MaxAge, cfg.MaxIdle, cfg.CheckInterval} {
		if d > 0 && (u.tick == 0 || d < u.tick) {
			u.tick = d
		}
	}
	if u.tick > 0 {
		u.tick = max(u.tick/grain, shortestStep)
	}
	return u
}

// after is d after a time.
func after(t, d time.Duration) time.Duration {
	if t > never-d {
		return never
	}
	return t + d
}

// spent reports whether a member that comes back has to go, and why. Because of its
// age only one may in a while, as with idle members.
func (l *ledger[C]) spent(m *member[C]) (why Reason, spent bool) {
	if l.maxUses > 0 && m.loans >= l.maxUses {
		return Worn, true
	}
	if l.maxAge == 0 || m.accepted || l.elder != nil || l.now < after(m.made, l.maxAge) || l.now < l.slot() {
		return Ended, false
	}
	l.retired = l.now
	l.aged = min(l.aged, l.slot()) // look then: there may be others
	return Aged, true
}

// slot is when the next member may go because of its age.
func (l *ledger[C]) slot() time.Duration {
	total := l.shards.Total()
	return after(l.retired, l.maxAge/time.Duration(max(total.Landed, 1)))
}

// age notes that a member has become idle, or can be lent again.
func (l *ledger[C]) age(m *member[C]) {
	if !m.accepted {
		l.aged = min(l.aged, after(m.made, l.maxAge))
	}
}

// tend looks at the idle members, if any are to be kept up. It marks those for
// shutting that have to go, chooses those whose replacement has to come first, which
// order then orders, and lists those that are due to be examined. It returns when it
// wants to look again, though nothing happens.
func (l *ledger[C]) tend(now time.Time) (gone []*member[C], next time.Time, timed bool) {
	if l.tick == 0 || l.quiet || l.draining {
		return nil, time.Time{}, false
	}
	l.look(l.at(now))
	gone = l.relieve()
	gone, idleNext := l.expire(gone)
	gone, ageNext := l.ageOut(gone)
	gone = l.makeRoom(gone)
	due := min(idleNext, ageNext, l.list())
	if due == never {
		return gone, time.Time{}, false
	}
	return gone, l.began.Add(due), true
}

// look lets it be a certain time, and notes who has become idle since the last look.
// They are at the back, or, where members are numbered, not far from it.
func (l *ledger[C]) look(now time.Duration) {
	l.now = now
	passed := 0
	for m := l.idle.back; m != nil; m = m.links[ofPool].prev {
		switch {
		case m.since > 0:
			if passed++; m.sequence == 0 || passed > disorder {
				return
			}
		case m.loans == 0:
			m.since = max(m.made, 1)
		default:
			m.since = max(now, 1)
		}
	}
}

// renew chooses a member to be replaced: it can be lent until the replacement has
// arrived.
func (l *ledger[C]) renew(m *member[C], why Reason) {
	m.renewing, m.why = true, why
	l.renewals = append(l.renewals, m)
}

// stay undoes renew: somebody has the member now.
func (l *ledger[C]) stay(m *member[C]) {
	m.renewing = false
	i := slices.Index(l.renewals, m)
	l.renewals = slices.Delete(l.renewals, i, i+1)
	if m == l.elder {
		l.elder = nil
	}
}

// relieve marks those for shutting whose replacement has arrived.
func (l *ledger[C]) relieve() (gone []*member[C]) {
	for i := 0; i < len(l.renewals) && l.idle.len > l.kept(); {
		if l.renewals[i].state != idle {
			i++ // it is being examined
			continue
		}
		gone = append(gone, l.replaced(l.renewals[i]))
	}
	return gone
}

// replaced marks a member for shutting that was chosen to be replaced.
func (l *ledger[C]) replaced(m *member[C]) *member[C] {
	if m == l.elder {
		l.retired = l.chosen
	}
	l.counts.renewed++
	l.close(m, m.why)
	return m
}

// makeRoom marks one for shutting whose replacement finds no place, or is more than the
// budget allows: then it is to have its own. That waits while something else is under
// way, or fails.
func (l *ledger[C]) makeRoom(gone []*member[C]) []*member[C] {
	total := l.shards.Total()
	if len(l.renewals) == 0 || total.Promised+total.Closing > 0 || l.failures > 0 || !l.shards.Full() && !l.share.full() {
		return gone
	}
	for _, m := range l.renewals {
		if m.state == idle {
			return append(gone, l.replaced(m))
		}
	}
	return gone
}

// expire sees to the members that have stood unused for too long. They are at the
// front; only a numbered one may have to wait for those that it has overtaken. It
// returns when the next will have, if it is to look then.
func (l *ledger[C]) expire(gone []*member[C]) ([]*member[C], time.Duration) {
	if l.maxIdle == 0 {
		return gone, never
	}
	for m := l.idle.front; m != nil; {
		next := m.links[ofPool].next
		if m.state == idle && !m.accepted && !m.renewing {
			if due := after(m.since, l.maxIdle); due > l.now {
				return gone, due
			}
			switch {
			case l.idle.len > l.kept():
				l.close(m, Unused)
				gone = append(gone, m)
			case len(l.renewals) < renewedAtOnce:
				l.renew(m, Unused)
			default:
				return gone, never // until one of those has been replaced
			}
		}
		m = next
	}
	return gone, never
}

// ageOut sees to the oldest member, if it is too old and none has gone because of its
// age for a while. It returns when to see to the next.
func (l *ledger[C]) ageOut(gone []*member[C]) ([]*member[C], time.Duration) {
	if l.elder != nil {
		return gone, never // until that one has been replaced, or lent
	}
	if due := max(l.aged, l.slot()); l.now < due {
		return gone, due
	}
	m := l.oldest()
	if m == nil {
		l.aged = never
		return gone, never
	}
	if l.aged = after(m.made, l.maxAge); l.now < l.aged {
		return gone, l.aged
	}
	if l.idle.len > l.kept() {
		l.retired = l.now
		l.close(m, Aged)
		return append(gone, m), l.slot()
	}
	l.renew(m, Aged)
	l.elder, l.chosen = m, l.now
	return gone, never
}

// oldest returns the idle member that was made first. To look at all of them, 0.1 ms
// for 8,192, is little for what happens once in the life of each.
func (l *ledger[C]) oldest() (oldest *member[C]) {
	for m := l.idle.front; m != nil; m = m.links[ofPool].next {
		if m.state == idle && !m.accepted && !m.renewing && (oldest == nil || m.made < oldest.made) {
			oldest = m
		}
	}
	return oldest
}
