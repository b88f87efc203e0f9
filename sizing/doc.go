// Package sizing decides how many members a pool keeps ready.
//
// A [Policy] is a pure step: it is told what happened since it was last asked
// and answers with a target, and with its [Reason]. Time reaches it only as elapsed
// time, so a policy is tested, simulated and compared without a clock, a goroutine or
// a pool. Package sizing/sim does so.
//
// The policies here are [Ladder], the default of all pools that dial, which follows
// demand by what a wait is worth; [Stepwise], the documented rule of small steps; and [Fixed], which
// always answers the same. What each of them costs is in docs/sizing.md.
package sizing
