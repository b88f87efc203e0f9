package poolkit

import "github.com/vistone/poolkit/sharding"

// The ledger's side of a budget.

// promised returns how many members are on their way that will stay.
func (l *ledger[C]) promised() int { return l.shards.Promised() - l.stale }

// kept returns how many idle members the pool keeps now.
func (l *ledger[C]) kept() int {
	if l.shed {
		return 0
	}
	return l.wanted()
}

// urgent returns for how many callers a member would have to be dialled.
func (l *ledger[C]) urgent() int {
	return max(l.callers()-l.idle.len-l.promised(), 0)
}

// want says for whom n more members are wanted.
func (l *ledger[C]) want(n int) want {
	urgent := min(l.urgent(), n)
	return want{urgent: urgent, spare: n - urgent}
}

// afford asks the budget for the tickets that were issued to meet a want, and takes
// back those that it does not allow.
func (l *ledger[C]) afford(w want, issued []ticket) []ticket {
	s, n := l.share, len(issued)
	if n == 0 && !s.due(want{}) {
		return nil // there were no places, and nothing was asked for before
	}
	urgent := min(w.urgent, n)
	granted := s.ask(want{urgent: urgent, spare: n - urgent})
	for _, t := range issued[granted:] {
		l.withdraw(t)
		l.shards.Move(t.shard, sharding.Promised, sharding.Free)
	}
	return issued[:granted]
}

// yields reports whether a member that comes back is to be shut for other pools. One
// that somebody waits for by its ID is not: nobody else will come under that.
func (l *ledger[C]) yields(m *member[C]) bool {
	return l.waiters.byID[m.id] == nil && l.share.yields(l.waiters.len > 0)
}
