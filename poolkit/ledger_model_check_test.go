package poolkit

import (
	"cmp"
	"slices"

	"github.com/vistone/poolkit/sharding"
)

// check compares the whole ledger with the model.
func (w *model) check() {
	w.checkPlaces()
	w.checkIdle()
	w.checkIDs()
	w.checkWaiters()
	w.checkPeers()
	w.checkUpkeep()
	if (w.l.exhausted() || w.l.content()) && len(w.l.order()) > 0 {
		w.fatalf("there was something to order")
	}
	if w.l.target != w.target || w.target < w.l.minCapacity || w.target > w.l.maxCapacity {
		w.fatalf("the target is %d, want %d in [%d, %d]", w.l.target, w.target, w.l.minCapacity, w.l.maxCapacity)
	}
	if w.l.wanted() != w.wanted() {
		w.fatalf("%d are wanted, want %d", w.l.wanted(), w.wanted())
	}
	if w.l.dialing != w.dialing() {
		w.fatalf("%d dials are under way, want %d", w.l.dialing, w.dialing())
	}
	if w.l.failures != w.failures || w.l.paused == w.pausedUntil.IsZero() {
		w.fatalf("%d failures in a row, paused %t; want %d, until %v", w.l.failures, w.l.paused, w.failures, w.pausedUntil)
	}
	if w.l.doubt != w.doubt {
		w.fatalf("in doubt: %t, want %t", w.l.doubt, w.doubt)
	}
	if w.l.counts != w.counts {
		w.fatalf("counts %+v, want %+v", w.l.counts, w.counts)
	}
}

func (w *model) checkPlaces() {
	var sum sharding.Tally
	for i := range w.shards {
		var want, got sharding.Tally
		for _, t := range w.tickets {
			if t.shard == i {
				want.Promised++
			}
		}
		for _, a := range w.actors {
			if a.m.shard != i {
				continue
			}
			switch a.state {
			case idle, checking, onLoan:
				want.Landed++
			case leaving, closing:
				want.Closing++
			default:
				w.fatalf("a member in state %d has a place", a.state)
			}
		}
		if i < w.l.shards.Len() {
			got = w.l.shards.At(i)
		}
		if got != want || want.Open() > w.cfg.Places {
			w.fatalf("shard %d holds %+v, want %+v of %d places", i, got, want, w.cfg.Places)
		}
		sum.Promised += want.Promised
		sum.Landed += want.Landed
		sum.Closing += want.Closing
	}
	if got := w.l.shards.Total(); got != sum || got.Open() != len(w.tickets)+len(w.actors) {
		w.fatalf("the shards hold %+v, want %+v", got, sum)
	}
	if want := w.promised(false) - w.promised(true); w.l.stale != want {
		w.fatalf("%d tickets are stale, want %d", w.l.stale, want)
	}
}

func (w *model) checkIdle() {
	own := 0
	for _, a := range w.idle {
		own += a.m.own()
	}
	w.checkQueue(&w.l.idle, ofPool, w.idle)
	if w.l.lowWater != w.low {
		w.fatalf("low water %d, want %d", w.l.lowWater, w.low)
	}
	if w.l.surplus() != (own > 0 && len(w.idle) > w.wanted()) {
		w.fatalf("surplus is %t with %d idle, %d dialled", w.l.surplus(), len(w.idle), own)
	}
}

func (w *model) checkQueue(q *queue[int], by int, want []*actor) {
	m := q.front
	var prev *member[int]
	for _, a := range want {
		if m != a.m || m.links[by].prev != prev || m.state != a.state {
			w.fatalf("%v stands in an idle queue where %v should", m, a.m.id)
		}
		m, prev = m.links[by].next, m
	}
	if m != nil || q.back != prev || q.len != len(want) {
		w.fatalf("an idle queue of %d does not end as it should, after %d", q.len, len(want))
	}
}

func (w *model) checkIDs() {
	var owner [modelIDs]bool
	n := 0
	claim := func(id ID, m *member[int]) {
		got, known := w.l.members.get(id)
		if owner[id[3]] || !known || got != m {
			w.fatalf("ID %v names %p (%t), want %p, once", id, got, known, m)
		}
		owner[id[3]] = true
		n++
	}
	for _, a := range w.actors {
		if !a.turned && !a.unnamed {
			claim(a.m.id, a.m)
		}
		switch state := a.m.state; {
		case a.returning && state != returning, !a.returning && state != a.state:
			w.fatalf("member %v is in state %d, want %d (returning: %t)", a.m.id, state, a.state, a.returning)
		}
	}
	for _, t := range w.tickets {
		if t.accepted {
			claim(t.id, nil)
		}
	}
	if w.l.members.len != n {
		w.fatalf("%d IDs are in use, want %d", w.l.members.len, n)
	}
	if w.l.firstGiven != w.firstGiven {
		w.fatalf("the first ID was given: %t, want %t", w.l.firstGiven, w.firstGiven)
	}
}

func (w *model) checkWaiters() {
	n, ids := len(w.line), 0
	w.checkLine(&w.l.waiters.any, w.lineFor(func(x *waiter[int]) bool { return x.kind == forAny }))
	for i, want := range w.byID {
		line := w.l.waiters.byID[ID{3: byte(i)}]
		if len(want) == 0 {
			if line != nil {
				w.fatalf("an empty line for ID %d is kept", i)
			}
			continue
		}
		n, ids = n+len(want), ids+1
		if line == nil {
			w.fatalf("there is no line for ID %d", i)
		}
		w.checkLine(line, want)
		if a, _ := w.named(ID{3: byte(i)}); a != nil && (a.state == idle || a.state == leaving) {
			w.fatalf("somebody waits for member %d, which is there", i)
		}
	}
	if w.l.waiters.len != n || len(w.l.waiters.byID) != ids {
		w.fatalf("%d wait, for %d IDs; want %d, %d", w.l.waiters.len, len(w.l.waiters.byID), n, ids)
	}
	if w.anybodies() > 0 && len(w.lendable()) > 0 {
		w.fatalf("%d wait for any member while %d are idle", w.anybodies(), len(w.lendable()))
	}
	if w.l.draining && n+len(w.unused())+len(w.idle) > 0 {
		w.fatalf("%d wait and %d are ready in a pool that drains", n, len(w.unused()))
	}
	if w.l.quiet != w.quiet || w.quiet && len(w.line)+len(w.lendable()) > 0 {
		w.fatalf("%d wait and %d are idle in a quiet pool", len(w.line), len(w.idle))
	}
	if w.l.leavers != len(w.in(leaving)) {
		w.fatalf("%d members are leaving, want %d", w.l.leavers, len(w.in(leaving)))
	}
}

// checkPeers compares what is known of each peer, and that nothing is known of peers
// who have no member and are not waited for.
func (w *model) checkPeers() {
	var want []PeerStats
	known, lines := 0, 0
	for _, name := range modelPeers {
		s := PeerStats{Peer: name}
		p := w.l.peers[name]
		open, lendable := 0, 0
		for _, a := range w.actors {
			if !a.known || a.peer != name {
				continue
			}
			if open++; p == nil || a.m.peer != p {
				w.fatalf("member %v is of peer %p, want %q", a.m.id, a.m.peer, name)
			}
			switch a.state {
			case idle:
				s.Idle++
				lendable++
			case checking:
				s.Idle++
			case onLoan:
				s.OnLoan++
			default:
				s.Closing++
			}
		}
		if open > 0 {
			known++
			w.checkQueue(&p.idle, ofPeer, slices.DeleteFunc(slices.Clone(w.idle), func(a *actor) bool { return a.peer != name }))
		}
		line := w.lineFor(func(x *waiter[int]) bool { return x.kind == forPeer && x.peer == name })
		s.Waiting = len(line)
		if got := w.l.waiters.byPeer[name]; len(line) > 0 {
			lines++
			if got == nil {
				w.fatalf("there is no line for peer %q", name)
			}
			w.checkLine(got, line)
			if lendable > 0 {
				w.fatalf("%d wait for a member of peer %q while %d are idle", s.Waiting, name, lendable)
			}
		}
		if s.Waiting > 0 || open > 0 {
			want = append(want, s)
		}
	}
	if len(w.l.peers) != known || len(w.l.waiters.byPeer) != lines {
		w.fatalf("%d peers have members, %d are waited for; want %d, %d", len(w.l.peers), len(w.l.waiters.byPeer), known, lines)
	}
	got := w.l.peerStats()
	slices.SortFunc(got, func(a, b PeerStats) int { return cmp.Compare(a.Peer, b.Peer) })
	if !slices.Equal(got, want) {
		w.fatalf("the peers are said to be %+v, want %+v", got, want)
	}
}

func (w *model) checkLine(line *line[int], want []*waiter[int]) {
	x := line.front
	var prev *waiter[int]
	for _, y := range want {
		if x != y || x.line != line || x.prev != prev || len(x.ready) != 0 {
			w.fatalf("a line is not in order of arrival")
		}
		x, prev = x.next, x
	}
	if x != nil || line.back != prev || line.len != len(want) {
		w.fatalf("a line of %d does not end as it should, after %d", line.len, len(want))
	}
}
