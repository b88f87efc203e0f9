// Package sizing decides how many members a pool keeps ready.
//
// A [Policy] is a pure step: it is told what happened since it was last asked
// and answers with a target. Time reaches it only as elapsed time, so a policy
// is tested, simulated and compared without a clock, a goroutine or a pool.
//
// The policies here are [Fixed], which always answers the same, and [Stepwise],
// the documented rule of small steps.
package sizing
