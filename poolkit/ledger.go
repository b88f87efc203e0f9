package poolkit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vistone/poolkit/sharding"
)

// ledger is all the bookkeeping of a pool. It has no lock, clock, goroutine or
// I/O: the pool calls it under its one mutex, and then does what it says. Methods
// that take a waiter out of its line have written its answer; the caller sends
// the token after unlocking.
//
// At every moment, on every shard and in all:
//
//	open = promised + idle + on loan + closing ≤ places
//
// and after every order, unless the cap, failures or a lack of places forbid it:
//
//	idle + promised − waiting ≥ wanted + being replaced
//
// where what was promised before a flush does not count, nor who waits for a certain
// member or a certain peer's: whoever is dialled may be another.
type ledger[C any] struct {
	// What every hit and return change comes first, in two cache lines with the mutex: on
	// another core each line has to be fetched anew.
	idle     queue[C]
	lowWater int  // fewest idle since trim was last called
	mostLent int  // most on loan since observe was last called
	shed     bool // members were shed: no more are kept ready until one is asked for
	counts   counts

	// Set by newLedger.
	dials       bool
	maxDialing  int
	newestFirst bool
	singleUse   bool
	failFast    bool
	firstID     *ID
	began       time.Time // what its durations count from

	shards  *sharding.Set
	members index[C]     // every open member, and the IDs promised to peers
	unnamed []*member[C] // those whose ID is another's now; few, and seldom any
	peers   peers[C]
	waiters waitlist[C]
	readies readinesses
	share   *share // of a budget that pools share; nil without one

	minCapacity, maxCapacity int
	target                   int // idle members to keep, those on loan included if counted
	countLoans               bool
	dialing                  int // dial tickets out
	stale                    int // tickets out from before the latest flush

	failures    int       // in a row, on any shards
	paused      bool      // no dials before pausedUntil
	pausedUntil time.Time //
	doubt       bool      // a dialled member was dead on arrival: the next have to prove themselves
	last        error     // the latest failure, until a member arrives
	permanent   error     // the same, if marked so
	dialFault   bool      // it came of a dial, and not of accepting
	retry       bool      // a caller was told why nothing is made, since the latest attempt

	firstGiven bool   // the member with firstID has arrived
	epoch      uint32 // counts flushes
	quiet      bool   // no dials, and hand-outs by ID only
	draining   bool   // no hand-outs at all, no dials
	leavers    int    // members that are leaving

	upkeep[C]
	checks[C]
}

func newLedger[C any](cfg *Config[C], now time.Time) ledger[C] {
	shards := sharding.NewSet(cfg.Places, cfg.MaxShards)
	shards.Spread(cfg.Spread)
	var ps peers[C]
	if cfg.Peer != nil {
		ps = make(peers[C])
	}
	return ledger[C]{
		dials:       cfg.Dialer != nil,
		maxDialing:  cfg.MaxDialing,
		newestFirst: cfg.NewestFirst,
		singleUse:   cfg.SingleUse,
		failFast:    cfg.FailFast,
		firstID:     cfg.FirstID,
		began:       now,
		shards:      shards,
		members:     newIndex[C](),
		idle:        queue[C]{by: ofPool},
		peers:       ps,
		minCapacity: cfg.MinCapacity,
		maxCapacity: cfg.MaxCapacity,
		upkeep:      newUpkeep(cfg),
		checks:      checks[C]{interval: cfg.CheckInterval},
	}
}

// at is a time as the ledger counts it.
func (l *ledger[C]) at(t time.Time) time.Duration { return t.Sub(l.began) }

// take lends out the idle member that is next for a wish, or returns nil.
func (l *ledger[C]) take(w *wish) *member[C] {
	m := l.find(w)
	if m != nil {
		l.lend(m)
	}
	return m
}

func (l *ledger[C]) find(w *wish) *member[C] {
	q := &l.idle
	switch w.kind {
	case forID:
		if m, _ := l.members.get(w.id); m != nil && (m.state == idle || m.state == leaving) {
			return m
		}
		return nil
	case forPeer:
		p := l.peers[w.peer]
		if p == nil {
			return nil
		}
		q = &p.idle
	default:
	}
	if l.newestFirst {
		return q.newest()
	}
	return q.oldest()
}

// lend makes a member somebody's.
func (l *ledger[C]) lend(m *member[C]) {
	l.move(m, onLoan)
	m.loans++
	m.outlook = lasting // if it still is parting, the next watch says so
}

// errNoPeers is why nobody can wait for a peer's member.
var errNoPeers = errors.New("the pool does not tell its peers apart: set Config.Peer")

// refusal is why nobody can wait for a member now, or nil.
func (l *ledger[C]) refusal(w *wish) error {
	if w.kind == forPeer && l.peers == nil {
		return errNoPeers
	}
	if l.draining || l.quiet && w.kind != forID {
		return ErrClosed
	}
	return l.permanent
}

// hopeless is why nobody who wants any member is served soon, for those who would rather
// know than wait, or nil: also where a peer has opened a member since.
func (l *ledger[C]) hopeless() error {
	if !l.failFast || l.failures == 0 || l.promised() > 0 {
		return nil
	}
	if l.paused || l.failures < probeAfter && !l.shards.Ready() {
		return l.last
	}
	return nil
}

// offer gives an arriving member to the first waiter, who is returned, or makes it
// idle.
func (l *ledger[C]) offer(m *member[C]) *waiter[C] {
	if w := l.waiters.next(m); w != nil {
		l.lend(m)
		w.member = m
		l.share.served(l.urgent())
		return w
	}
	if l.quiet || m.outlook == parting {
		l.move(m, leaving)
		return nil
	}
	l.move(m, idle)
	l.readies.reached(l.idle.len)
	return nil
}

// held reports whether the loan with that number still holds the member.
func (l *ledger[C]) held(m *member[C], loan uint64) bool {
	return m.state == onLoan && m.loans == loan
}

// takeBack starts the return of a member: nobody can be handed it yet, and its
// loan is over. It reports false where the member has to be closed instead, and why.
func (l *ledger[C]) takeBack(m *member[C]) (why Reason, back bool) {
	if l.singleUse || l.quiet || l.draining || m.epoch != l.epoch || !l.named(m) {
		return Ended, false
	}
	if l.share != nil && l.yields(m) {
		return Evicted, false
	}
	if l.limited {
		if why, spent := l.spent(m); spent {
			return why, false
		}
	}
	m.state = returning
	return Ended, true
}

// putBack completes the return. Where it reports false, the member has to be
// closed.
func (l *ledger[C]) putBack(m *member[C]) (*waiter[C], bool) {
	if l.quiet || l.draining || m.epoch != l.epoch || m.outlook == lost {
		return nil, false
	}
	return l.offer(m), true
}

// leave notes that a member is about to end: from now on, or from when it has arrived,
// come back or been examined, only who asks for its ID gets it. It reports whether the
// member was idle.
func (l *ledger[C]) leave(m *member[C]) bool {
	switch m.state {
	case idle:
		l.move(m, leaving)
		return true
	case arriving, returning, checking:
		m.outlook = max(m.outlook, parting)
	default: // whoever has it will find out
	}
	return false
}

// lose notes that a member ended by itself. It reports whether nobody had it, so that
// it is now to be shut. One that is being examined is shut by its examiner.
func (l *ledger[C]) lose(m *member[C]) bool {
	was := m.state
	if was == arriving || was == returning {
		m.outlook = lost
	}
	if !was.queued() && was != leaving {
		return false
	}
	l.counts.expired++
	l.close(m, Gone)
	return was != checking
}

// close marks a member for shutting: nobody is handed it any more, and its place
// stays held until free. The caller shuts it.
func (l *ledger[C]) close(m *member[C], why Reason) {
	m.why = why
	l.move(m, closing)
}

// holder returns the member on loan, or being shut, that has an ID, or nil.
func (l *ledger[C]) holder(id ID) *member[C] {
	if m, _ := l.members.get(id); m != nil && (m.state == onLoan || m.state == closing) {
		return m
	}
	return nil
}

// disown takes its ID from a holder, for good: it does not come back to idle.
func (l *ledger[C]) disown(m *member[C]) {
	if l.holder(m.id) == m {
		l.members.remove(m.id)
		l.unnamed = append(l.unnamed, m)
	}
}

// named reports whether a member that is open still has its ID.
func (l *ledger[C]) named(m *member[C]) bool { return !slices.Contains(l.unnamed, m) }

// free gives back the place of a member that has been shut. Who waits for its ID goes on:
// a peer that begins anew may use it again.
func (l *ledger[C]) free(m *member[C]) {
	l.move(m, shut)
	if named, _ := l.members.get(m.id); named == m {
		l.members.remove(m.id)
		return
	}
	if i := slices.Index(l.unnamed, m); i >= 0 {
		l.unnamed = slices.Delete(l.unnamed, i, i+1)
	}
}

// move changes the state of a member in every book that knows it.
func (l *ledger[C]) move(m *member[C], to memberState) {
	from := m.state
	if from.queued() && !to.queued() {
		l.dequeue(m)
	}
	if to.queued() && !from.queued() {
		l.enqueue(m)
	}
	m.state = to
	if from == checking && to == idle && l.maxAge > 0 {
		l.age(m)
	}
	if from == leaving {
		l.leavers--
	}
	if to == leaving {
		l.leavers++
	}
	if was, is := places[from], places[to]; was != is {
		l.peers.moved(m, was, is)
		l.shards.Move(m.shard, was, is)
	}
	if to == onLoan {
		l.mostLent = max(l.mostLent, l.lent())
	}
	if l.share != nil {
		l.share.moved(to, m.why)
	}
}

// enqueue puts a member into the idle queues.
func (l *ledger[C]) enqueue(m *member[C]) {
	l.idle.push(m)
	if m.peer != nil {
		m.peer.idle.push(m)
	}
	m.since = 0
	if l.maxAge > 0 {
		l.age(m)
	}
}

// dequeue takes it out of them.
func (l *ledger[C]) dequeue(m *member[C]) {
	l.idle.remove(m)
	if m.peer != nil {
		m.peer.idle.remove(m)
	}
	l.dequeued(m)
}

func (l *ledger[C]) dequeued(m *member[C]) {
	l.lowWater = min(l.lowWater, l.idle.len)
	if m.renewing {
		l.stay(m)
	}
}

// lent returns the number of members on loan, those that are coming back among them.
func (l *ledger[C]) lent() int { return l.shards.Landed() - l.idle.len }

// retarget moves the target, within its bounds. Whoever waits for as many members
// as were wanted waits for no more than are.
func (l *ledger[C]) retarget(to int, countLoans bool) {
	l.target, l.countLoans = max(l.minCapacity, min(to, l.maxCapacity)), countLoans
	l.readies.lower(l.wanted())
	l.readies.reached(l.idle.len)
}

// wanted is how many idle members to keep.
func (l *ledger[C]) wanted() int {
	if l.countLoans {
		return max(l.minCapacity, l.target-l.lent())
	}
	return l.target
}

// resize moves the bounds of the target, and the target into them.
func (l *ledger[C]) resize(minCapacity, maxCapacity int) {
	l.minCapacity, l.maxCapacity = minCapacity, maxCapacity
	l.lowWater = l.idle.len // judge anew what stands unused
	l.retarget(l.target, l.countLoans)
	l.readies.end(l.errTooMany(), func(r *readiness) bool { return l.tooMany(r.n) })
}

// tooMany reports whether so many members will never be idle.
func (l *ledger[C]) tooMany(n int) bool { return l.dials && n > l.maxCapacity }

func (l *ledger[C]) errTooMany() error {
	return fmt.Errorf("the pool keeps at most %d", l.maxCapacity)
}
