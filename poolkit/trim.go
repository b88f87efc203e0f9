package poolkit

// trim marks the members for shutting that stood idle beyond the target ever since
// it was last called. It takes them from the shards that were needed last, the
// youngest first, and leaves alone what the peer has opened.
func (l *ledger[C]) trim() []*member[C] {
	surplus := l.lowWater - l.wanted()
	l.lowWater = l.idle.len
	return l.evict(surplus, Surplus)
}

// evict marks up to n idle members for shutting, which the peer has not opened.
func (l *ledger[C]) evict(n int, why Reason) []*member[C] {
	n = min(n, l.idle.len)
	if n <= 0 {
		return nil
	}
	own := make([]int, l.shards.Len())
	for m := l.idle.front; m != nil; m = m.links[ofPool].next {
		if m.state == idle {
			own[m.shard] += m.own()
		}
	}
	take := l.shards.Shed(n, own)
	gone := make([]*member[C], 0, n)
	for m := l.idle.back; m != nil && len(gone) < n; {
		older := m.links[ofPool].prev
		if m.state == idle && !m.accepted && take[m.shard] > 0 {
			take[m.shard]--
			l.counts.expired++
			l.close(m, why)
			gone = append(gone, m)
		}
		m = older
	}
	return gone
}

// surplus reports whether there is something that trim may close later.
func (l *ledger[C]) surplus() bool {
	if !l.dials || l.idle.len <= l.wanted() {
		return false
	}
	for m := l.idle.front; m != nil; m = m.links[ofPool].next {
		if !m.accepted {
			return true
		}
	}
	return false
}
