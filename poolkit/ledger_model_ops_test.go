package poolkit

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

var (
	errModel          = errors.New("failed")
	errModelPermanent = Permanent(errors.New("failed for good"))
)

// Each operation does the same to the ledger and to the model, and compares the
// results.

func (w *model) order() {
	var want []int
	got := w.l.order()
	for w.mayDial() && w.missing() > 0 {
		shard, ok := w.lowest()
		if !ok {
			break
		}
		if w.failures >= probeAfter {
			w.shards[shard].restUntil = time.Time{}
		}
		want = append(want, shard)
		w.tickets = append(w.tickets, &ticket{shard: shard, epoch: w.epoch})
	}
	var shards []int
	for _, t := range got {
		shards = append(shards, t.shard)
		if t.epoch != w.epoch || t.accepted {
			w.fatalf("ticket %+v was issued, want epoch %d", t, w.epoch)
		}
	}
	if !slices.Equal(shards, want) {
		w.fatalf("places were ordered on shards %v, want %v", shards, want)
	}
	if _, room := w.lowest(); w.mayDial() && room && w.missing() > 0 {
		w.fatalf("idle %d + promised %d − waiting %d < wanted %d", len(w.idle), w.promised(true), w.anybodies(), w.wanted())
	}
}

func (w *model) withdraw(t *ticket) {
	i := slices.Index(w.tickets, t)
	w.tickets = slices.Delete(w.tickets, i, i+1)
}

func (w *model) land(t *ticket, id ID) {
	if t.accepted {
		id = t.id
	}
	_, taken := w.named(id)
	w.withdraw(t)
	a := &actor{m: &member[int]{id: id, shard: t.shard, accepted: t.accepted, made: w.l.at(w.now)}, made: w.now}
	if w.cfg.Peer != nil {
		a.peer = w.peer()
	}
	if w.cfg.Sequence != nil {
		a.m.sequence = uint64(w.byte()) + 1
	}
	switch w.byte() % 16 {
	case 1:
		if w.l.lose(a.m) {
			w.fatalf("a member that arrives was lost from idle")
		}
		a.lost = true
	case 2:
		w.leave(a)
	}
	w.actors = append(w.actors, a)
	got, err := w.l.land(*t, a.m, a.peer)
	var want error
	switch {
	case w.l.draining:
		want = ErrClosed
	case t.epoch != w.epoch:
		want = errStale
	case a.lost:
		want = ErrLost
	case !t.accepted && (taken || w.cfg.FirstID != nil && id == *w.cfg.FirstID):
		want = ErrDuplicateID
	}
	if !errors.Is(err, want) {
		w.fatalf("landing %v on shard %d reports %v, want %v", id, t.shard, err, want)
	}
	if want != nil {
		a.state, a.turned = closing, true
		if got != nil {
			w.fatalf("a member that is turned away was handed out")
		}
		return
	}
	w.counts.created++
	a.known = w.cfg.Peer != nil
	if w.cfg.FirstID != nil && id == *w.cfg.FirstID {
		w.firstGiven = true
	}
	w.becomes(a, got)
	untried := got != nil || w.doubt && !t.accepted
	if a.m.untried != untried {
		w.fatalf("a member that goes to %p is untried: %t, want %t", got, a.m.untried, untried)
	}
	if !untried {
		w.succeeded(a)
	}
	w.closed(w.l.relieve(), w.relieved())
}

// prove lets the first borrower of a member find it alive, or not.
func (w *model) prove(a *actor) {
	if !a.m.untried || !w.l.held(a.m, a.loan) {
		return
	}
	if w.byte()%2 == 0 {
		w.l.succeeded(a.m)
		w.succeeded(a)
	} else {
		w.discard(a)
		if !a.m.accepted {
			w.l.doubt, w.doubt = true, true
		}
		w.fail(&ticket{shard: a.m.shard, accepted: a.m.accepted}, false)
	}
}

func (w *model) succeeded(a *actor) {
	w.permanent, w.known = nil, false
	if !a.m.accepted {
		w.failures, w.pausedUntil, w.doubt = 0, time.Time{}, false
		w.shards[a.m.shard].failures, w.shards[a.m.shard].restUntil = 0, time.Time{}
	}
}

func (w *model) drop(t *ticket) {
	w.withdraw(t)
	w.l.drop(*t)
}

func (w *model) learn(shard int) {
	s := &w.shards[shard]
	s.limit, s.learnUntil = w.open(shard), w.now.Add(learntFor)
	w.l.shards.Learn(shard, s.learnUntil)
}

// fail fails the dial of a ticket, or the acceptor.
func (w *model) fail(t *ticket, permanent bool) {
	err := errModel
	if permanent {
		err = errModelPermanent
	}
	shard := -1
	if t != nil && !t.accepted {
		shard = t.shard
	}
	told := w.l.fail(shard, err, w.now, 0.5)
	w.counts.failed++
	if shard >= 0 {
		if s := &w.shards[shard]; s.restUntil.IsZero() {
			w.failures++
			s.failures++
			s.restUntil = w.now.Add(backoff(s.failures, 0.5))
		}
		if permanent {
			w.pausedUntil = w.now.Add(lastPause)
		} else if w.failures >= probeAfter {
			w.pausedUntil = w.now.Add(backoff(w.failures-probeAfter+1, 0.5))
		}
	}
	switch {
	case permanent:
		w.permanent, w.dialFault, w.known = err, shard >= 0, true
		w.failed(told, err)
	case w.permanent != nil && w.dialFault != (shard >= 0): // it says nothing about that one
		if told != nil {
			w.fatalf("a failure of another kind was told to %d waiters", len(told))
		}
	default:
		w.permanent, w.known = nil, true
		w.disappointed(told)
	}
}

// disappointed expects those who wait for any member to be told of a failure, if they would
// rather know and there is no hope, and else nobody.
func (w *model) disappointed(told []*waiter[int]) {
	rest, byID := w.line, w.byID
	w.line, w.byID = nil, [modelIDs][]*waiter[int]{}
	if w.hopeless() {
		for _, x := range rest {
			if x.kind == forAny {
				w.line = append(w.line, x)
			}
		}
		rest = slices.DeleteFunc(rest, func(x *waiter[int]) bool { return x.kind == forAny })
	}
	w.failed(told, errModel)
	w.line, w.byID = rest, byID
}

func (w *model) wake(d time.Duration) {
	w.now = w.now.Add(d)
	var want time.Time
	if i := slices.IndexFunc(w.idle, func(a *actor) bool { return !a.m.accepted && a.m.redeems }); w.doubt && i >= 0 {
		if want = w.idle[i].made.Add(proveFor); !want.After(w.now) {
			want = time.Time{}
			w.succeeded(w.idle[i]) // it has lasted
		}
	}
	until := func(end *time.Time, over func()) {
		switch {
		case end.IsZero():
		case !end.After(w.now):
			*end = time.Time{}
			over()
		case want.IsZero() || end.Before(want):
			want = *end
		}
	}
	until(&w.pausedUntil, func() {})
	for i := range w.shards {
		until(&w.shards[i].restUntil, func() {})
		until(&w.shards[i].learnUntil, func() { w.shards[i].limit = w.cfg.Places })
	}
	next, ok := w.l.wake(w.now)
	if ok == want.IsZero() || ok && !next.Equal(want) {
		w.fatalf("wakes next at %v (%t), want %v", next, ok, want)
	}
}

func (w *model) admit(shard int, id ID) {
	if w.cfg.Acceptor == nil {
		return
	}
	first := w.cfg.FirstID
	wantID := id
	if first != nil && !w.firstGiven {
		if _, taken := w.named(*first); !taken {
			wantID = *first
		}
	}
	_, taken := w.named(wantID)
	reserved := first != nil && wantID == *first && w.firstGiven
	wantRoom := !w.quiet && !w.l.draining && (taken || reserved || shard >= 0 && shard < len(w.shards) && w.open(shard) < w.cfg.Places)
	wantUnique := w.quiet || w.l.draining || !taken && !reserved
	t, room, unique := w.l.admit(shard, id)
	if room != wantRoom || unique != wantUnique {
		w.fatalf("admit %v on shard %d reports room %t and unique %t, want %t and %t", id, shard, room, unique, wantRoom, wantUnique)
	}
	if !room || !unique {
		return
	}
	if want := (ticket{shard: shard, epoch: w.epoch, accepted: true, id: wantID}); t != want {
		w.fatalf("admit %v issued %+v, want %+v", id, t, want)
	}
	w.tickets = append(w.tickets, &t)
}

// take takes the first idle member that will do, or the last.
func (w *model) take(want wish) {
	fits := func(a *actor) bool {
		return a.state == idle &&
			(want.kind != forID || a.m.id == want.id) && (want.kind != forPeer || a.known && a.peer == want.peer)
	}
	var best *actor
	for _, a := range w.idle {
		if fits(a) && (best == nil || w.cfg.NewestFirst) {
			best = a
		}
	}
	for _, a := range w.in(leaving) {
		if want.kind == forID && a.m.id == want.id {
			best = a
		}
	}
	var got *member[int]
	if w.byte()%2 == 0 && w.cfg.Sequence == nil {
		got = w.hit(want)
	}
	if got == nil {
		got = w.l.take(&want)
	}
	w.took(got, best, &waiter[int]{wish: want, ready: make(chan struct{}, 1)})
}

// hit takes a member the short way, if there is one.
func (w *model) hit(want wish) (m *member[int]) {
	switch want.kind {
	case forID:
		m = w.l.idleWith(want.id)
	case forAny:
		m = w.l.first()
	default:
	}
	if m == nil {
		return nil
	}
	w.counts.takes++
	content := w.l.hit(m)
	if want := w.l.exhausted() || w.l.content(); content != want {
		w.fatalf("the pool is content with what is left: %t, want %t", content, want)
	}
	return m
}

// took expects the right member to have been taken. Where there is none, a waiter
// joins, unless he is refused.
func (w *model) took(got *member[int], want *actor, x *waiter[int]) {
	if want != nil {
		if got != want.m {
			w.fatalf("took %p, want %p (%v)", got, want.m, want.m.id)
		}
		if want.state == idle {
			w.leaveIdle(want, onLoan)
		}
		w.lent(want)
		return
	}
	if got != nil {
		w.fatalf("took %v, want none", got.id)
	}
	refused := w.permanent
	switch {
	case x.kind == forPeer && w.cfg.Peer == nil:
		refused = errNoPeers
	case w.l.draining, w.quiet && x.kind != forID:
		refused = ErrClosed
	}
	if err := w.l.refusal(&x.wish); !errors.Is(err, refused) {
		w.fatalf("refuses with %v, want %v", err, refused)
	}
	if refused != nil {
		return
	}
	if err := w.l.hopeless(); (err != nil) != w.hopeless() || err != nil && !errors.Is(err, errModel) {
		w.fatalf("there is no hope because of %v, want %t", err, w.hopeless())
	}
	if w.hopeless() && x.kind == forAny {
		return
	}
	w.l.waiters.add(x)
	if x.kind == forID {
		w.byID[x.id[3]] = append(w.byID[x.id[3]], x)
		return
	}
	w.ahead[x] = len(w.line)
	w.line = append(w.line, x)
}

func (w *model) giveUp(x *waiter[int]) {
	if !w.l.waiters.remove(x) || w.l.waiters.remove(x) {
		w.fatalf("a waiter could not leave, or twice")
	}
	w.line = slices.DeleteFunc(w.line, func(y *waiter[int]) bool { return x == y })
	line := &w.byID[x.id[3]]
	*line = slices.DeleteFunc(*line, func(y *waiter[int]) bool { return x == y })
}

// release begins to return a member, if it is on loan; a stale lease does nothing.
func (w *model) release(a *actor) {
	if w.l.held(a.m, a.loan-1) {
		w.fatalf("the loan before the latest still holds %v", a.m.id)
	}
	held := w.l.held(a.m, a.loan)
	if want := a.state == onLoan && !a.returning; held != want {
		w.fatalf("loan of %v is held: %t, want %t", a.m.id, held, want)
	}
	if !held {
		return
	}
	wantWhy, want := w.comesBack(a)
	if w.byte()%2 == 0 && w.cfg.Sequence == nil && !a.unnamed { // who has a Dead goes the long way
		if got, ok := w.l.back(a.m); ok {
			if !want {
				w.fatalf("%v is back, and should be closed (%v)", a.m.id, wantWhy)
			}
			w.becomes(a, got)
			return
		}
	}
	why, back := w.l.takeBack(a.m)
	if back != want || why != wantWhy {
		w.fatalf("takeBack reports %t (%v), want %t (%v)", back, why, want, wantWhy)
	}
	if !back {
		w.l.close(a.m, why)
		a.state = closing
		return
	}
	a.returning = true
	w.returning = append(w.returning, a)
	if w.byte()%4 > 0 {
		w.putBack(a)
	}
}

func (w *model) putBack(a *actor) {
	i := slices.Index(w.returning, a)
	w.returning = slices.Delete(w.returning, i, i+1)
	a.returning = false
	got, ok := w.l.putBack(a.m)
	if want := !w.quiet && !w.l.draining && a.m.epoch == w.epoch && !a.lost; ok != want {
		w.fatalf("putBack reports %t, want %t", ok, want)
	}
	if !ok {
		w.l.close(a.m, Ended)
		a.state = closing
		return
	}
	w.becomes(a, got)
}

func (w *model) discard(a *actor) {
	if w.l.held(a.m, a.loan) {
		w.l.close(a.m, Ended)
		a.state = closing
	}
}

func (w *model) lose(a *actor) {
	was := a.state
	got := w.l.lose(a.m)
	if want := was == idle || was == leaving; got != want {
		w.fatalf("losing a member in state %d reports %t, want %t", was, got, want)
	}
	if got || was == checking {
		w.counts.expired++
		if was != leaving {
			w.leaveIdle(a, closing)
		}
		a.state = closing
	}
	if a.returning {
		a.lost = true
	}
}

// leave makes a member be about to end, if it is idle.
func (w *model) leave(a *actor) {
	was := a.state
	if got := w.l.leave(a.m); got != (was == idle) {
		w.fatalf("a member in state %d leaves: %t", was, got)
	}
	if was == idle {
		w.leaveIdle(a, leaving)
	}
	if was == checking || a.returning || !slices.Contains(w.actors, a) {
		a.parting = true // when that is over
	}
}

// disown takes its ID from a member, if somebody has it or it is being shut.
func (w *model) disown(a *actor) {
	named, _ := w.named(a.m.id)
	holds := named == a && (a.state == onLoan && !a.returning || a.state == closing)
	if got := w.l.holder(a.m.id); (got == a.m) != holds {
		w.fatalf("%v in state %d holds its ID: %t, want %t", a.m.id, a.state, got == a.m, holds)
	}
	w.l.disown(a.m)
	a.unnamed = a.unnamed || holds
}

func (w *model) quiesce() {
	told := w.l.quiesce()
	if w.quiet || w.l.draining {
		if told != nil {
			w.fatalf("%d waiters were failed again", len(told))
		}
		return
	}
	w.quiet = true
	for _, a := range w.lendable() {
		w.leaveIdle(a, leaving)
	}
	byID := w.byID
	w.byID = [modelIDs][]*waiter[int]{} // they go on waiting
	w.failed(told, ErrClosed)
	w.byID = byID
}

func (w *model) free(a *actor) {
	w.l.free(a.m)
	w.actors = slices.DeleteFunc(w.actors, func(b *actor) bool { return a == b })
}

func (w *model) trim() {
	var want []*actor
	for range w.low - w.wanted() {
		if a := w.dearest(want); a != nil {
			want = append(want, a)
		}
	}
	w.counts.expired += uint64(len(want))
	w.closed(w.l.trim(), want)
	w.low = len(w.idle)
}

func (w *model) observe() {
	lent := len(w.in(onLoan))
	o := w.l.observe(w.counts, 0)
	if !o.Returns || o.InUse != lent || o.MostInUse != w.most {
		w.fatalf("observed are %d on loan, %d at most (%t); want %d, %d", o.InUse, o.MostInUse, o.Returns, lent, w.most)
	}
	w.most = lent
}

// dearest is the idle member to shut next, when some are gone: the youngest on the
// highest shard that is not spread over, or else on the fullest, where those that are
// being shut do not count.
func (w *model) dearest(gone []*actor) *actor {
	var best *actor
	rank := func(a *actor) (further, stay, shard int) {
		if a.m.shard >= max(w.cfg.Spread, 1) {
			return a.m.shard, 0, 0
		}
		stay = w.staying(a.m.shard)
		for _, b := range gone {
			if b.m.shard == a.m.shard {
				stay--
			}
		}
		return 0, stay, a.m.shard
	}
	for _, a := range slices.Backward(w.idle) {
		if a.m.accepted || a.state == checking || slices.Contains(gone, a) {
			continue
		}
		if best == nil {
			best = a
			continue
		}
		further, stay, shard := rank(a)
		bestFurther, bestStay, bestShard := rank(best)
		if cmp.Or(cmp.Compare(further, bestFurther), cmp.Compare(stay, bestStay), cmp.Compare(shard, bestShard)) > 0 {
			best = a
		}
	}
	return best
}

func (w *model) flush() {
	w.epoch++
	w.closed(w.l.flush(), w.unused())
	w.orphaned()
}

func (w *model) drain() {
	gone, told := w.l.drain()
	w.closed(gone, w.unused())
	w.orphaned()
	w.failed(told, ErrClosed)
}

func (w *model) seize() {
	var want []*actor
	for _, a := range w.actors {
		if a.state == onLoan && !a.returning {
			want = append(want, a)
		}
	}
	w.closed(w.l.seize(), want)
}

// closed expects exactly these members to be closing now, in any order.
func (w *model) closed(got []*member[int], want []*actor) {
	if len(got) != len(want) {
		w.fatalf("%d members are to be shut, want %d", len(got), len(want))
	}
	for _, a := range want {
		if !slices.Contains(got, a.m) {
			w.fatalf("member %v is not to be shut, but should be", a.m.id)
		}
		if a.state == idle {
			w.leaveIdle(a, closing)
		}
		a.state = closing
	}
}

func (w *model) retarget(to int, countLoans bool) {
	w.l.retarget(to, countLoans)
	w.countLoans = countLoans
	w.target = max(w.l.minCapacity, min(to, w.l.maxCapacity))
}

func (w *model) resize(low, high int) {
	w.l.resize(low, high)
	w.low = len(w.idle)
	w.target = max(low, min(w.target, high))
}
