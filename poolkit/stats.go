package poolkit

import (
	"time"

	"github.com/vistone/poolkit/sizing"
)

// Stats is a pool at one moment. All its numbers belong together.
type Stats struct {
	Capacity int           // how many members to keep idle now
	Interval time.Duration // between two steps of the sizing policy, if nothing happens
	Reason   sizing.Reason // why the capacity is what it is

	Shards   int // shards with a place in use
	Idle     int // members ready, those being examined among them
	Checking int // of the idle, how many are being examined
	OnLoan   int // members lent out
	Promised int // members on their way
	Closing  int // members being shut
	Waiting  int // callers waiting, for any member, a certain one, or a certain peer's
	Denied   int // members that would be dialled if Config.Budget allowed it

	Acquires uint64        // members asked for since New
	Waits    uint64        // of these, how many found none ready and waited
	Created  uint64        // members that arrived
	Failed   uint64        // members that could not be made
	Refused  uint64        // offers turned away for lack of room
	Lost     uint64        // members lost or trimmed while idle, those that failed a check among them
	LeadTime time.Duration // how long the arrived ones took, added up

	// LastError is the latest failure to make a member, until one that arrived later has
	// been lent, or has lasted for a second.
	LastError error
}

// Open returns the number of members that exist or are on their way.
func (s Stats) Open() int { return s.Idle + s.OnLoan + s.Promised + s.Closing }

// Stats returns the state of the pool.
func (p *Pool[C]) Stats() (s Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.describe(&s)
	return s
}

// describe is Stats under mu. It fills s in place: with copies of it on their stacks, the
// goroutines of a thousand callers who give up at once would each have to get a larger one.
func (p *Pool[C]) describe(s *Stats) {
	l := &p.ledger
	total := l.shards.Total()
	s.Capacity = l.wanted()
	s.Interval = p.pace
	s.Reason = p.reason
	s.Shards = l.shards.Used()
	s.Idle = l.idle.len
	s.Checking = l.checking
	s.OnLoan = l.lent()
	s.Promised = total.Promised
	s.Closing = total.Closing
	s.Waiting = l.waiters.len
	s.Denied = l.share.denied()
	s.Acquires = l.counts.takes
	s.Waits = l.counts.misses
	s.Created = l.counts.created
	s.Failed = l.counts.failed
	s.Refused = l.counts.refused
	s.Lost = l.counts.expired
	s.LeadTime = l.counts.leadSum
	s.LastError = l.last
}

// counts is what has happened since New.
type counts struct {
	takes, misses, created, failed, refused, expired uint64
	renewed                                          uint64 // idle members that were replaced for their age or idleness
	leadSum                                          time.Duration
}

// asked counts a take, once.
func (l *ledger[C]) asked(a *ask) {
	if !a.counted {
		a.counted = true
		l.took()
	}
}

// took counts a take.
func (l *ledger[C]) took() {
	l.counts.takes++
	l.shed = false
}

// missed counts a take that has to wait, once.
func (l *ledger[C]) missed(a *ask) {
	if !a.waits {
		a.waits = true
		l.counts.misses++
	}
}

// observe describes to a policy what happened between two counts, of which the latter
// is now.
func (l *ledger[C]) observe(before counts, elapsed time.Duration) sizing.Observation {
	now := l.counts
	o := sizing.Observation{
		Elapsed:     elapsed,
		MinCapacity: l.minCapacity,
		MaxCapacity: l.maxCapacity,
		Takes:       int(now.takes - before.takes),
		Misses:      int(now.misses - before.misses),
		Created:     l.demanded(before),
		Failed:      int(now.failed - before.failed),
		LeadSum:     now.leadSum - before.leadSum,
		Expired:     int(now.expired - before.expired),
		Idle:        l.idle.len,
		Creating:    l.shards.Total().Promised,
		Waiting:     l.waiters.any.len,
		FailStreak:  l.failures,
	}
	if !l.singleUse {
		o.Returns, o.InUse, o.MostInUse = true, l.lent(), l.mostLent
		l.mostLent = o.InUse
	}
	return o
}

// demanded returns how many members were made because of demand: not in place of one
// that was old or unused. Else the pool would grow from being kept fresh.
func (l *ledger[C]) demanded(before counts) int {
	created, renewed := l.counts.created-before.created, l.counts.renewed-before.renewed
	return int(created - min(created, renewed))
}
