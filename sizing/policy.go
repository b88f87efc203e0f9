package sizing

import "time"

// A Policy decides how many members a pool keeps ready.
//
// A pool asks one step at a time, from one goroutine, and never while it holds
// a lock. The first step of a pool's life carries only its bounds.
type Policy interface {
	Step(Observation) Decision
}

// Observation is what happened in a pool since the last step.
type Observation struct {
	Elapsed time.Duration // since the last step

	MinCapacity, MaxCapacity int // the bounds of the target, as they are now

	Takes   int           // members asked for by anybody
	Misses  int           // of these, how many found none ready and had to wait
	Created int           // members that arrived
	Failed  int           // creations that failed
	LeadSum time.Duration // how long the arrived ones took, added up
	Expired int           // members that were lost or closed while they stood idle

	Idle       int // ready now
	Creating   int // on their way now
	Waiting    int // callers waiting now
	FailStreak int // failed creations in a row, up to now

	// Returns says that members come back after use. Only then the others are set.
	Returns   bool
	InUse     int // lent out now
	MostInUse int // the most lent out at a time
}

// Decision is what a policy wants.
type Decision struct {
	// Target is the number of idle members to keep. The pool restores
	// idle + creating − waiting = Target on every take, arrival and loss.
	Target int

	// InUse says that Target counts the members that are lent out as well: so many less
	// are kept idle, but never less than the lower bound.
	InUse bool

	// Wait is the time until the next step. It is the pace of maintenance only:
	// no caller ever waits for it.
	Wait time.Duration

	// OnTake, if positive, brings the next step forward when a member is asked for: to
	// that long after this one, or to now. So a policy hears of demand when it comes,
	// and says itself how often it wants to.
	OnTake time.Duration

	// Settled says that more steps without any event in between would change
	// nothing, so that an undisturbed pool need not wake up for them.
	Settled bool

	// Reason is why the target is what it is.
	Reason Reason
}

// Fixed is the policy that always wants the same number of members.
type Fixed int

// Step implements [Policy].
func (n Fixed) Step(o Observation) Decision {
	target := clamp(int(n), o.MinCapacity, o.MaxCapacity)
	return Decision{Target: target, Wait: time.Second, Settled: true, Reason: Reason{Text: "fixed at {n}", N: target}}
}

func clamp[T int | time.Duration](v, low, high T) T { return max(low, min(v, high)) }
