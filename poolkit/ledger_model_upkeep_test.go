package poolkit

import (
	"slices"
	"time"
)

// modelUpkeep is what a model knows of members that are too old, unused or examined.
type modelUpkeep struct {
	looked   time.Time // when the ledger was last told the time
	renewals []renewal
	retired  time.Time // the latest that went because of its age, or when it was chosen to
	exits    []time.Time

	turns    []*actor
	cutoff   time.Time
	sweeping bool
	listAt   time.Time
}

// renewal is an idle member whose replacement is on its way.
type renewal struct {
	actor  *actor
	why    Reason
	chosen time.Time
}

// tend looks at the idle members.
func (w *model) tend() {
	gone, next, timed := w.l.tend(w.now)
	if w.l.tick == 0 || w.quiet || w.l.draining {
		if gone != nil || timed {
			w.fatalf("%d are shut in a pool that is not tended (timed: %t)", len(gone), timed)
		}
		return
	}
	w.look()
	want := w.relieved()
	dues := []time.Time{}
	due := func(t time.Time) { dues = append(dues, t) }
	want = append(want, w.expired(due)...)
	want = append(want, w.retire(due)...)
	if a := w.inTheWay(); a != nil {
		want = append(want, w.dismiss(a))
	}
	w.closed(gone, want)
	w.list(due)
	if timed && !next.After(w.now) {
		w.fatalf("the next look is at %v, but it is %v", next, w.now)
	}
	for _, t := range dues {
		if !timed || next.After(t) {
			w.fatalf("the next look is at %v (%t), want %v at the latest", next, timed, t)
		}
	}
}

// look notes who has become idle.
func (w *model) look() {
	w.looked = w.now
	for _, a := range w.idle {
		if a.since.IsZero() {
			a.since = w.now
			if a.uses == 0 {
				a.since = a.made
			}
		}
	}
}

func (w *model) renewal(a *actor) *renewal {
	if i := slices.IndexFunc(w.renewals, func(r renewal) bool { return r.actor == a }); i >= 0 {
		return &w.renewals[i]
	}
	return nil
}

// elder is the member that is being replaced because of its age.
func (w *model) elder() *actor {
	for _, r := range w.renewals {
		if r.why == Aged {
			return r.actor
		}
	}
	return nil
}

// relieved closes, in the model, those whose replacement has arrived.
func (w *model) relieved() (gone []*actor) {
	for _, r := range slices.Clone(w.renewals) {
		if r.actor.state == idle && len(w.idle) > w.wanted() {
			gone = append(gone, w.dismiss(r.actor))
		}
	}
	return gone
}

// dismiss closes, in the model, one that was being replaced.
func (w *model) dismiss(a *actor) *actor {
	r := w.renewal(a)
	if r.why == Aged {
		w.retired = r.chosen
		w.exit()
	}
	w.counts.renewed++
	w.leaveIdle(a, closing)
	return a
}

// exit notes that a member goes because of its age, and that this is not the third in
// the time that one may take.
func (w *model) exit() {
	w.exits = append(w.exits, w.looked)
	gap := w.cfg.MaxAge / time.Duration(w.cfg.Places*w.cfg.MaxShards)
	if n := len(w.exits); n > 2 && w.exits[n-1].Sub(w.exits[n-3]) < gap {
		w.fatalf("three went because of their age within %v", gap)
	}
}

// slot is when the next may go because of its age.
func (w *model) slot() time.Time {
	open := len(w.idle) + len(w.in(onLoan))
	return w.retired.Add(w.cfg.MaxAge / time.Duration(max(open, 1)))
}

// candidate reports whether a member may be replaced.
func (w *model) candidate(a *actor) bool {
	return a.state == idle && !a.m.accepted && w.renewal(a) == nil
}

func (w *model) expired(due func(time.Time)) (gone []*actor) {
	if w.cfg.MaxIdle == 0 {
		return nil
	}
	for _, a := range slices.Clone(w.idle) {
		if !w.candidate(a) {
			continue
		}
		if end := a.since.Add(w.cfg.MaxIdle); end.After(w.now) {
			due(end)
			break
		}
		if len(w.idle) > w.wanted() {
			w.leaveIdle(a, closing)
			gone = append(gone, a)
			continue
		}
		w.renewals = append(w.renewals, renewal{a, Unused, w.now})
	}
	return gone
}

func (w *model) retire(due func(time.Time)) []*actor {
	var oldest *actor
	for _, a := range w.idle {
		if w.candidate(a) && (oldest == nil || a.made.Before(oldest.made)) {
			oldest = a
		}
	}
	if w.cfg.MaxAge == 0 || w.elder() != nil || oldest == nil {
		return nil
	}
	end := oldest.made.Add(w.cfg.MaxAge)
	if slot := w.slot(); slot.After(end) {
		end = slot
	}
	if end.After(w.now) {
		due(end)
		return nil
	}
	if len(w.idle) <= w.wanted() {
		w.renewals = append(w.renewals, renewal{oldest, Aged, w.now})
		return nil
	}
	w.retired = w.now
	w.exit()
	w.leaveIdle(oldest, closing)
	return []*actor{oldest}
}

// inTheWay is the member that has to go before its replacement can come.
func (w *model) inTheWay() *actor {
	if len(w.tickets)+len(w.in(closing))+len(w.in(leaving)) > 0 || w.failures > 0 {
		return nil
	}
	for i, s := range w.shards {
		if w.open(i) < s.limit {
			return nil
		}
	}
	for _, r := range w.renewals {
		if r.actor.state == idle {
			return r.actor
		}
	}
	return nil
}

// comesBack says whether a member stays that comes back from a loan, or why not.
func (w *model) comesBack(a *actor) (why Reason, back bool) {
	switch {
	case w.quiet || w.l.draining || a.m.epoch != w.epoch || a.unnamed:
		return Ended, false
	case w.cfg.MaxUses > 0 && a.uses >= w.cfg.MaxUses:
		return Worn, false
	case w.cfg.MaxAge > 0 && !a.m.accepted && w.elder() == nil &&
		!w.looked.Before(a.made.Add(w.cfg.MaxAge)) && !w.looked.Before(w.slot()):
		w.retired = w.looked
		w.exit()
		return Aged, false
	}
	return Ended, true
}

// last is when a member was last known to be of use.
func (a *actor) last() time.Time {
	if a.checked.After(a.since) {
		return a.checked
	}
	return a.since
}

// list lists who is due to be examined.
func (w *model) list(due func(time.Time)) {
	if w.cfg.CheckInterval == 0 || len(w.turns) > 0 {
		return
	}
	if w.now.Before(w.listAt) {
		due(w.listAt)
		return
	}
	w.cutoff, w.sweeping = w.now.Add(-w.cfg.CheckInterval), false
	w.listAt = w.now.Add(w.cfg.CheckInterval)
	for _, a := range w.lendable() {
		if next := a.last().Add(w.cfg.CheckInterval); !next.After(w.now) {
			w.turns = append(w.turns, a)
		} else if next.Before(w.listAt) {
			w.listAt = next
		}
	}
	w.inOrder()
	if soonest := w.now.Add(w.cfg.CheckInterval / grain); len(w.turns) > 0 && w.listAt.Before(soonest) {
		w.listAt = soonest
	}
	due(w.listAt)
}

// inOrder sorts the turns as the members stand.
func (w *model) inOrder() {
	slices.SortFunc(w.turns, func(a, b *actor) int { return slices.Index(w.idle, a) - slices.Index(w.idle, b) })
}

func (w *model) examined() (all []*actor) {
	for _, a := range w.actors {
		if a.examined {
			all = append(all, a)
		}
	}
	return all
}

// claim claims the next whose turn it is.
func (w *model) claim() {
	var want *actor
	for want == nil && len(w.turns) > 0 {
		a := w.turns[0]
		w.turns = w.turns[1:]
		if a.state == idle && !a.since.IsZero() && !a.last().After(w.cutoff) {
			want = a
		}
	}
	got, sweeping := w.l.claim()
	if want == nil {
		if got != nil {
			w.fatalf("%v is to be examined, want nobody", got.id)
		}
		return
	}
	if got != want.m || sweeping != w.sweeping {
		w.fatalf("%v is to be examined (in a sweep: %t), want %v (%t)", got, sweeping, want.m, w.sweeping)
	}
	want.state, want.examined, want.sweeping = checking, true, w.sweeping
}

// checked ends an examination.
func (w *model) checked(a *actor) {
	alive := w.byte()%4 > 0
	a.examined = false
	redeems := a.m.redeems
	got, stays := w.l.checked(a.m, a.sweeping, alive, Unhealthy, w.now)
	if a.state == closing { // by whatever happened meanwhile
		if got != nil || stays {
			w.fatalf("a member stays that has been closed while it was examined")
		}
		return
	}
	w.look()
	if stays != alive {
		w.fatalf("a member that is alive (%t) stays: %t", alive, stays)
	}
	if alive {
		a.checked = w.now
		if a.m.untried {
			w.fatalf("a member that a check has found alive is yet to be tried")
		}
		if redeems {
			w.succeeded(a)
		}
		w.becomes(a, got)
		return
	}
	w.counts.expired++
	w.leaveIdle(a, closing)
	if !a.sweeping && (!w.sweeping || len(w.turns) == 0) {
		w.cutoff, w.sweeping = w.now, true
		w.turns = w.lendable()
		w.inOrder()
	}
}

// orphaned closes, in the model, those being examined, which their examiners shut.
func (w *model) orphaned() {
	for _, a := range w.in(checking) {
		w.leaveIdle(a, closing)
	}
}

// checkUpkeep compares what is known of the members that are kept up.
func (w *model) checkUpkeep() {
	if len(w.l.renewals) != len(w.renewals) || w.l.checking != len(w.examined()) {
		w.fatalf("%d are being replaced and %d examined, want %d and %d", len(w.l.renewals), w.l.checking, len(w.renewals), len(w.examined()))
	}
	for i, r := range w.renewals {
		if w.l.renewals[i] != r.actor.m || r.actor.m.why != r.why || !r.actor.m.state.queued() {
			w.fatalf("%v is being replaced (%v), want %v (%v)", w.l.renewals[i].id, w.l.renewals[i].why, r.actor.m.id, r.why)
		}
	}
	if elder := w.elder(); elder == nil != (w.l.elder == nil) || elder != nil && w.l.elder != elder.m {
		w.fatalf("the elder is %p, want %v", w.l.elder, elder)
	}
	if w.l.tick == 0 {
		return
	}
	if at := w.l.began.Add(w.l.nextList); !w.listAt.IsZero() && !at.Equal(w.listAt) {
		w.fatalf("who is due is listed again at %v, want %v", at, w.listAt)
	}
	for _, a := range w.actors {
		if a.m.renewing != (w.renewal(a) != nil) {
			w.fatalf("%v is being replaced: %t", a.m.id, a.m.renewing)
		}
		if a.state != idle && a.state != checking {
			continue
		}
		if got := w.l.began.Add(a.m.since); a.since.IsZero() != (a.m.since == 0) || !a.since.IsZero() && !got.Equal(a.since) {
			w.fatalf("%v is idle since %v, want %v", a.m.id, a.m.since, a.since)
		}
	}
}
