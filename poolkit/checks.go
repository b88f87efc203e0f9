package poolkit

import "time"

// examined is how many members are examined at once: as many as are shut at once, for
// the same reason.
const examined = 16

// checks is the part of the ledger that says whose turn it is to be examined.
type checks[C any] struct {
	interval time.Duration // set by newLedger; zero: nobody is examined

	turns    []*member[C]  // who is due, the longest idle first; some may have been lent since
	cutoff   time.Duration // who was lent or examined later is not due any more
	sweeping bool          // turns are all the idle members, since one was found dead
	nextList time.Duration // when to list again who is due
	checking int           // members being examined
}

// list lists who is due, unless that is done. It returns when to list again; while
// there are turns left, that is never.
func (l *ledger[C]) list() (next time.Duration) {
	switch {
	case l.interval == 0 || len(l.turns) > 0:
		return never
	case l.now < l.nextList:
		return l.nextList
	}
	next = after(l.now, l.interval)
	l.cutoff, l.sweeping = l.now-l.interval, false
	for m := l.idle.front; m != nil; m = m.links[ofPool].next {
		if m.state != idle {
			continue
		}
		if last := max(m.since, m.checked); last <= l.cutoff {
			l.turns = append(l.turns, m)
		} else {
			next = min(next, after(last, l.interval))
		}
	}
	if len(l.turns) > 0 {
		next = max(next, after(l.now, l.interval/grain)) // those who are due later, together
	}
	l.nextList = next
	return next
}

// sweep lists every idle member.
func (l *ledger[C]) sweep() {
	l.turns = l.turns[:0]
	l.cutoff, l.sweeping = l.now, true
	for m := l.idle.front; m != nil; m = m.links[ofPool].next {
		if m.state == idle {
			l.turns = append(l.turns, m)
		}
	}
}

// claim takes the next member whose turn it is, for the caller to examine, and says
// whether that is part of a sweep. It returns nil where there is none, or enough are
// being examined.
func (l *ledger[C]) claim() (m *member[C], sweeping bool) {
	for len(l.turns) > 0 && l.checking < examined {
		m, l.turns[0] = l.turns[0], nil
		l.turns = l.turns[1:]
		if m.state == idle && m.since > 0 && max(m.since, m.checked) <= l.cutoff {
			l.checking++
			l.move(m, checking)
			return m, l.sweeping
		}
	}
	return nil, false
}

// checked ends the examination of a member, which had a reason to be shut unless it
// is alive. It goes to the first waiter, who is returned, or back to its place. Where
// it does not stay, the caller shuts it.
func (l *ledger[C]) checked(m *member[C], sweeping, alive bool, why Reason, now time.Time) (w *waiter[C], stays bool) {
	l.checking--
	if m.state == closing {
		return nil, false // it was flushed, or said that it had ended
	}
	l.look(l.at(now))
	if alive {
		m.checked, m.untried = l.now, false
		if m.redeems {
			l.succeeded(m)
		}
		return l.offer(m), true
	}
	l.counts.expired++
	l.close(m, why)
	if !sweeping && (!l.sweeping || len(l.turns) == 0) {
		l.sweep() // one that is dead suggests that others are
	}
	return nil, false
}
