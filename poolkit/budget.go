package poolkit

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Budget bounds what several pools have open together, whatever their members are.
// It is set as [Config.Budget] of each. A member counts from before it is dialled
// until it has been shut or hijacked, so that at no moment more are open than the
// limit.
//
// Where the limit is reached, what becomes free goes to the pools in which callers
// wait: first to those that have no member at all, in the order in which they came to
// want one; then to the others, by turns. Pools take turns and not callers, so that
// one that asks for many does not hold up the rest. To keep members ready a pool
// takes only what nobody waits for.
//
// A Budget shuts no idle member by itself, since it does not know which are needed
// least. Whoever shares it out does that, with [Pool.Shed] and [Pool.TryClose], when
// [Budget.Short] says so. Package keyed does it for pools that have a key each.
type Budget struct {
	short chan struct{} // tokens for Short; capacity 1 is enough, since whoever gets one looks at everything; never closed
	mood  atomic.Int32  // a mood; written under mu, read without it where members come back

	mu      sync.Mutex // of all that follows; locked under the mutex of a pool, never the other way round
	limit   int
	open    int // members that count
	closing int // of these, members being shut
	urgent  int // members that callers wait for and the limit forbids
	short0  int // the shortage when it was last looked at
	evicted uint64
	lines   [unranked]shareLine
}

// mood is how a budget stands.
type mood = int32

const (
	calm  mood = iota // nobody waits for more than is about to become free
	tight             // somebody does: idle members have to go
	dry               // the same, and no more of those could be found
)

// patience is how long callers of a pool without any member wait before a pool that
// has one, and callers waiting as well, gives it up to them. It costs a dial, and a
// dial over the Internet costs some 100 ms: with a turn a second that is a tenth.
const patience = time.Second

// NewBudget returns a budget of so many members. With none, or less, nothing is opened.
func NewBudget(limit int) *Budget {
	return &Budget{short: make(chan struct{}, 1), limit: max(limit, 0)}
}

// SetLimit changes the limit. Where more is open than a lower one allows, nothing is
// opened until enough has been shut, and what comes back from a loan is shut.
func (b *Budget) SetLimit(limit int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = max(limit, 0)
	b.settle()
}

// BudgetStats is a [Budget] at one moment.
type BudgetStats struct {
	Limit   int // how many may be open
	Open    int // members that count: idle, on loan, on their way, or being shut
	Closing int // of these, members being shut
	Waiting int // members that callers wait for and the limit forbids

	// Evicted counts the members shut by [Pool.Shed] and [Pool.TryClose], and those shut
	// when they came back from a loan because the callers of other pools were waiting.
	Evicted uint64
}

// Stats returns the state of the budget.
func (b *Budget) Stats() BudgetStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BudgetStats{Limit: b.limit, Open: b.open, Closing: b.closing, Waiting: b.urgent, Evicted: b.evicted}
}

// Short returns a channel on which a token comes when idle members have to go: when
// [Budget.Shortage] has become more, unless the budget is known to be [Budget.Dry], or a
// member has become idle while there is one.
// Several causes may bring one token, and it may come too late, when the shortage is
// over. The channel is always the same, is never closed, and has one reader.
func (b *Budget) Short() <-chan struct{} { return b.short }

// Shortage returns how many idle members have to be shut: for those that callers wait
// for, and for a limit that was lowered, less what is being shut already.
func (b *Budget) Shortage() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.shortage(), 0)
}

// Dry says that none of the pools has idle members to shed. From then on, until the
// shortage is over, a member that comes back from a loan is shut, unless a caller of
// its own pool waits for it. Even then it is shut for a pool that has no member at
// all: where it is not the only one, or where the other has waited for a second.
func (b *Budget) Dry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shortage() > 0 {
		b.mood.Store(dry)
	}
}

// shortage is negative where something is free, or about to be.
func (b *Budget) shortage() int { return b.urgent + b.open - b.limit - b.closing }

// signal sends a token on short.
func (b *Budget) signal() {
	select {
	case b.short <- struct{}{}:
	default: // there is one, and whoever gets it looks at everything
	}
}

// settle ends every change: it says how the budget stands, and whose turn it is.
func (b *Budget) settle() {
	n, before := b.shortage(), b.mood.Load()
	switch {
	case n <= 0:
		b.mood.Store(calm)
	case before == calm:
		b.mood.Store(tight)
		b.signal()
	case before == tight && n > b.short0:
		b.signal()
	}
	b.short0 = n
	if c := b.next(); c != nil && b.open < b.limit && !c.turn.Swap(true) {
		select {
		case c.kick <- struct{}{}:
		default: // its keeper is about to look anyway
		}
	}
}
