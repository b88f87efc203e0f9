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
}

// Decision is what a policy wants.
type Decision struct {
	// Target is the number of idle members to keep. The pool restores
	// idle + creating − waiting = Target on every take, arrival and loss.
	Target int

	// Wait is the time until the next step. It is the pace of maintenance only:
	// no caller ever waits for it.
	Wait time.Duration

	// Settled says that more steps without any event in between would change
	// nothing, so that an undisturbed pool need not wake up for them.
	Settled bool
}

// Fixed is the policy that always wants the same number of members.
type Fixed int

// Step implements [Policy].
func (n Fixed) Step(o Observation) Decision {
	return Decision{Target: clamp(int(n), o.MinCapacity, o.MaxCapacity), Wait: time.Second, Settled: true}
}

func clamp[T int | time.Duration](v, low, high T) T { return max(low, min(v, high)) }
