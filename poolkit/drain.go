package poolkit

// flush marks every idle member for shutting, and makes those on their way or on
// loan be shut when they come. Like drain it leaves those being examined to their
// examiners, who find them marked.
func (l *ledger[C]) flush() []*member[C] {
	l.epoch++
	l.stale = l.shards.Total().Promised
	return l.clear(Flushed)
}

// clear marks every member for shutting that nobody has.
func (l *ledger[C]) clear(why Reason) []*member[C] {
	gone := make([]*member[C], 0, l.idle.len+l.leavers)
	if l.leavers > 0 {
		for m := range l.members.all() {
			if m.state == leaving {
				l.close(m, why)
				gone = append(gone, m)
			}
		}
	}
	for m := l.idle.front; m != nil; m = l.idle.front {
		was := m.state
		l.close(m, why)
		if was != checking {
			gone = append(gone, m)
		}
	}
	return gone
}

// quiesce ends dials, and hand-outs but by ID, for good. It returns the waiters it took
// out of their lines.
func (l *ledger[C]) quiesce() []*waiter[C] {
	if l.quiet || l.draining {
		return nil
	}
	l.quiet = true
	l.share.withdraw()
	l.readies.fail(ErrClosed)
	for m := l.idle.oldest(); m != nil; m = l.idle.oldest() {
		l.move(m, leaving)
	}
	return l.waiters.failLines(ErrClosed)
}

// drain ends hand-outs and dials for good. It returns the idle members, to be
// shut, and the waiters it took out of their lines.
func (l *ledger[C]) drain() ([]*member[C], []*waiter[C]) {
	l.draining = true
	l.share.withdraw()
	l.readies.fail(ErrClosed)
	return l.clear(PoolClosed), l.waiters.fail(ErrClosed)
}

// seize marks every member on loan for shutting: its lease is over.
func (l *ledger[C]) seize() []*member[C] {
	var gone []*member[C]
	seize := func(m *member[C]) {
		if m.state == onLoan {
			l.close(m, PoolClosed)
			gone = append(gone, m)
		}
	}
	for m := range l.members.all() {
		seize(m)
	}
	for _, m := range l.unnamed {
		seize(m)
	}
	return gone
}

// empty reports whether nothing is open or on its way.
func (l *ledger[C]) empty() bool { return l.shards.Total().Open() == 0 }
