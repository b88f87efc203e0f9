// Package sim is a world in which sizing policies are measured: demand, creation
// times, losses and failures as in life, in virtual time, and the same in every run
// with the same seed. A minute of a busy pool takes some milliseconds.
//
// [World.Run] plays a [Demand] against a pool that keeps as many members as a
// [sizing.Policy] wants, in the way package poolkit does: each take orders its
// replacement, whoever waits is handed the next member, and surplus is closed when it
// has stood unused. [World.Poll] is the way it was done before: members are made
// in rounds, and callers look every 50 ms whether there is one.
//
// What a policy can reach at best is said by [RateOracle], [World.Offline] and
// [World.Clairvoyant]; what others do, by [Knative] and [Prefork].
package sim
