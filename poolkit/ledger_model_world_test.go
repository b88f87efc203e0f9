package poolkit

import (
	"errors"
	"slices"
	"testing"
	"time"
)

const modelIDs = 14

// modelPeers are the names of peers, in order.
var modelPeers = []string{"", "a", "b"}

// model is a ledger and what its state must be.
type model struct {
	tb      testing.TB
	l       ledger[int]
	cfg     Config[int]
	program []byte
	at      int    // which operation runs
	name    string // what it is
	calm    bool   // few members are taken

	now       time.Time
	tickets   []*ticket
	actors    []*actor             // members whose place is not free yet
	idle      []*actor             // longest idle first
	returning []*actor             // between takeBack and putBack
	line      []*waiter[int]       // for any member or a peer's, in order of arrival
	ahead     map[*waiter[int]]int // of these, how many may still be served before
	byID      [modelIDs][]*waiter[int]

	target, low int
	most        int  // on loan since observe
	countLoans  bool // in target
	epoch       uint32
	firstGiven  bool
	quiet       bool
	failures    int
	pausedUntil time.Time // zero: not paused
	doubt       bool
	permanent   error
	dialFault   bool // permanent came of a dial
	known       bool // why the latest failure was
	shards      []modelShard
	counts      counts
	modelUpkeep
}

// actor is a member as the model sees it.
type actor struct {
	m         *member[int]
	state     memberState
	turned    bool // away, when it landed
	unnamed   bool // its ID is another's now, or nobody's
	known     bool // as a member of its peer
	peer      string
	lost      bool // while arriving
	parting   bool // it said that it is leaving when that did nothing yet
	loan      uint64
	returning bool

	made, since, checked time.Time // since and checked are zero before
	uses                 int
	examined, sweeping   bool // until checked
}

type modelShard struct {
	failures   int
	restUntil  time.Time // zero: does not rest
	limit      int
	learnUntil time.Time // zero: nothing learnt
}

func newModel(tb testing.TB, config int) *model {
	cfg := modelConfigs[config]
	now := time.Unix(1000, 0)
	w := &model{tb: tb, cfg: cfg, l: newLedger(&cfg, now.Add(-time.Second)), now: now, ahead: make(map[*waiter[int]]int)}
	w.looked, w.retired = now, now.Add(-cfg.MaxAge)
	w.shards = make([]modelShard, cfg.MaxShards)
	for i := range w.shards {
		w.shards[i].limit = cfg.Places
	}
	w.retarget(cfg.MinCapacity, false)
	return w
}

func (w *model) fatalf(format string, args ...any) {
	w.tb.Helper()
	w.tb.Fatalf("config with %d places on %d shards, operation %d (%s): "+format,
		append([]any{w.cfg.Places, w.cfg.MaxShards, w.at, w.name}, args...)...)
}

func (w *model) in(state memberState) []*actor {
	var in []*actor
	for _, a := range w.actors {
		if a.state == state {
			in = append(in, a)
		}
	}
	return in
}

func (w *model) waiting() []*waiter[int] {
	all := slices.Clone(w.line)
	for _, line := range w.byID {
		all = append(all, line...)
	}
	return all
}

// lineFor is some of those who wait for any member or a peer's, in order of arrival.
func (w *model) lineFor(some func(*waiter[int]) bool) (line []*waiter[int]) {
	for _, x := range w.line {
		if some(x) {
			line = append(line, x)
		}
	}
	return line
}

// anybodies counts those who wait for any member: for each of them, one is ordered.
func (w *model) anybodies() int {
	return len(w.lineFor(func(x *waiter[int]) bool { return x.kind == forAny }))
}

func (w *model) open(shard int) (n int) {
	for _, t := range w.tickets {
		if t.shard == shard {
			n++
		}
	}
	for _, a := range w.actors {
		if a.m.shard == shard {
			n++
		}
	}
	return n
}

// staying is open without those that are being shut.
func (w *model) staying(shard int) int {
	n := w.open(shard)
	for _, a := range append(w.in(closing), w.in(leaving)...) {
		if a.m.shard == shard {
			n--
		}
	}
	return n
}

// unused is the members that nobody has, and that are not being shut.
func (w *model) unused() []*actor { return append(w.lendable(), w.in(leaving)...) }

// lowest is the first shard that may be dialled: in an outage, of those that failed
// least, and otherwise, as far as the spread goes, of the emptiest.
func (w *model) lowest() (int, bool) {
	if w.failures >= probeAfter {
		best := -1
		for i, s := range w.shards {
			if w.open(i) < s.limit && (best < 0 || s.failures < w.shards[best].failures) {
				best = i
			}
		}
		return best, best >= 0
	}
	best := -1
	for i, s := range w.shards {
		if s.restUntil.IsZero() && w.open(i) < s.limit && (best < 0 || i < w.cfg.Spread && w.staying(i) < w.staying(best)) {
			best = i
		}
	}
	return best, best >= 0
}

// wanted is how many idle members to keep.
func (w *model) wanted() int {
	if w.countLoans {
		return max(w.l.minCapacity, w.target-len(w.in(onLoan)))
	}
	return w.target
}

// missing is how many members have to be ordered.
func (w *model) missing() int {
	return w.wanted() + len(w.renewals) + w.anybodies() - len(w.idle) - w.promised(true)
}

// promised counts tickets: all, or those that a flush has not made worthless.
func (w *model) promised(fresh bool) (n int) {
	for _, t := range w.tickets {
		if !fresh || t.epoch == w.epoch {
			n++
		}
	}
	return n
}

func (w *model) dialing() (n int) {
	for _, t := range w.tickets {
		if !t.accepted {
			n++
		}
	}
	return n
}

// mayDial says whether the rules allow one more dial.
func (w *model) mayDial() bool {
	most := w.cfg.MaxDialing
	if w.failures >= probeAfter {
		most = 1
	}
	return w.cfg.Dialer != nil && !w.quiet && !w.l.draining && w.pausedUntil.IsZero() && w.dialing() < most
}

// hopeless says whether callers who would rather know are told that nobody is served soon.
func (w *model) hopeless() bool {
	_, room := w.lowest() // of the probed, where there are enough failures
	return w.cfg.FailFast && w.known && w.failures > 0 && w.promised(true) == 0 &&
		(!w.pausedUntil.IsZero() || w.failures < probeAfter && !room)
}

// named is the member that an ID belongs to; taken says whether it belongs to one,
// or is promised.
func (w *model) named(id ID) (a *actor, taken bool) {
	for _, a := range w.actors {
		if a.m.id == id && !a.turned && !a.unnamed {
			return a, true
		}
	}
	for _, t := range w.tickets {
		if t.accepted && t.id == id {
			return nil, true
		}
	}
	return nil, false
}

// leaveIdle takes a member out of the model's idle list.
func (w *model) leaveIdle(a *actor, to memberState) {
	i := slices.Index(w.idle, a)
	w.idle = slices.Delete(w.idle, i, i+1)
	w.low = min(w.low, len(w.idle))
	w.renewals = slices.DeleteFunc(w.renewals, func(r renewal) bool { return r.actor == a })
	a.state = to
}

// lendable is the idle members that are not being examined.
func (w *model) lendable() []*actor { return w.in(idle) }

// becomes expects a member to go to the right waiter, or to become idle.
func (w *model) becomes(a *actor, got *waiter[int]) {
	var want *waiter[int]
	if line := w.byID[a.m.id[3]]; len(line) > 0 {
		want, w.byID[a.m.id[3]] = line[0], line[1:]
	} else if all := w.lineFor(func(x *waiter[int]) bool { return x.kind == forAny || x.peer == a.peer }); len(all) > 0 && !a.parting {
		want = all[0]
		w.line = slices.DeleteFunc(w.line, func(x *waiter[int]) bool { return x == want })
		// Nobody starves: a waiter is passed over at most as often as others were there
		// before it, whichever of the two lines they are in.
		for _, x := range all[1:] {
			if w.ahead[x]--; w.ahead[x] < 0 {
				w.fatalf("a waiter for %+v was passed over by somebody who came later", x.wish)
			}
		}
	}
	if got != want {
		w.fatalf("member %v went to waiter %p, want %p", a.m.id, got, want)
	}
	was := a.state
	if was == checking && (want != nil || w.quiet || a.parting) {
		w.leaveIdle(a, leaving)
	}
	if want == nil && (w.quiet || a.parting) {
		a.state = leaving
		return
	}
	if want == nil {
		a.state = idle
		if was == checking {
			return // it has kept its place
		}
		a.since = time.Time{}
		at := len(w.idle)
		for i, other := range w.idle {
			if w.cfg.Sequence != nil && other.m.shard == a.m.shard && other.m.sequence > a.m.sequence {
				at = i // it stands before the first of its shard that was made later
				break
			}
		}
		w.idle = slices.Insert(w.idle, at, a)
		return
	}
	w.answered(got, a.m, nil)
	w.lent(a)
}

// answered expects a waiter that was taken out to have exactly one answer.
func (w *model) answered(got *waiter[int], m *member[int], err error) {
	if got.line != nil || got.member != m || !errors.Is(got.err, err) {
		w.fatalf("waiter in line %p has answer (%p, %v), want (%p, %v) and no line", got.line, got.member, got.err, m, err)
	}
	select {
	case got.ready <- struct{}{}: // the only answer of its life, or the channel is full
	default:
		w.fatalf("a waiter is answered twice")
	}
}

// lent expects a member to be on loan, to nobody who had it before.
func (w *model) lent(a *actor) {
	a.state, a.parting = onLoan, false
	w.most = max(w.most, len(w.in(onLoan)))
	if a.m.loans <= a.loan {
		w.fatalf("loan %d of member %v comes after loan %d", a.m.loans, a.m.id, a.loan)
	}
	a.loan = a.m.loans
	a.uses++
}

// failed expects exactly the given waiters to have failed.
func (w *model) failed(got []*waiter[int], err error) {
	want := w.waiting()
	if len(got) != len(want) {
		w.fatalf("%d waiters were failed, want %d", len(got), len(want))
	}
	for _, x := range got {
		if !slices.Contains(want, x) {
			w.fatalf("a waiter was failed that did not wait")
		}
		w.answered(x, nil, err)
	}
	w.line, w.byID = nil, [modelIDs][]*waiter[int]{}
}
