// Package poolkit keeps pools of ready connections: whoever needs one waits for no
// handshake.
//
// A pool has members, connections or streams of some type C that are established
// already. [Pool.Acquire] lends out any of them, [Pool.AcquireID] a certain one,
// [Pool.AcquireFrom] one of a certain peer's; a [Lease] says who has it until it is
// released or discarded. A backend teaches the pool one kind of member: how to dial
// it, to accept it, to watch it and to shut it. See [Config], and package
// backends/quic.
//
// # Words
//
// A member stands idle, is on loan, or is on its way. Members live on shards: one
// underlying connection each, with a number of places. Two numbers are easily
// confused:
//
//   - The capacity is the target for idle members. It follows demand within its
//     bounds, as the sizing policy says. Where members come back there may be more
//     idle than that: both the member and its replacement. Those beyond the target
//     stay as long as they are needed at least once a minute, so that steady use
//     neither dials nor shuts anything. A policy that counts the members on loan, as
//     [sizing.Ladder] does, says itself how many there are to be in all.
//   - The places of a shard bound everything open on it: members idle, on loan, on
//     their way and being closed.
//
// Holding members therefore never stops the pool from filling: what is lent out is
// replaced, on further shards if need be, until every place of every shard is held.
//
// # A member's way
//
// Before anything is dialled the pool reserves a place, as a ticket. Each take
// orders its replacement at once, so that idle + on their way − waiting stays at
// the target; there are no rounds to wait for. A member that arrives goes to the
// longest waiting caller whom it will do for, or becomes idle. Members that end by
// themselves leave the pool before anyone is handed them, if the backend can watch
// them.
//
// In a pool that accepts, the peer decides how much is opened. An offer is refused
// only where its shard is full, never because many members are idle already: what
// is idle here may be on loan over there, and the peer needs its replacement.
//
// Several pools may share a [Budget], which bounds what they have open together.
//
// Members that come back are kept up: replaced when they are old ([Config.MaxAge]) or
// have stood unused ([Config.MaxIdle]), and shut when they have served their leases
// ([Config.MaxUses]). What is replaced while it stands idle can be lent until the
// replacement is there. A [Config.Check] examines who stands idle: it is claimed
// first, so that nobody is lent it meanwhile, and goes back to its place. One that is
// dead has all the others examined.
//
// # Failures
//
// A shard rests after a failure, from 100 ms up to 2 s, unless another dial on it
// succeeds, while others go on. After three failures in a row the pool makes one
// attempt at a time, now on this shard and now on that, until one succeeds. Callers
// wait meanwhile, to their own deadline, unless [Config.FailFast] is set; an error that
// waiting will not cure ([Permanent]) is told to them at once.
//
// # Locks and goroutines
//
// One mutex guards all bookkeeping, and nothing else happens under it: no I/O, no
// callback, no wait. A Budget has one of its own, which is the last to be locked. The
// pool's goroutines are these:
//
//   - one for maintenance, from New to Close. It sleeps while nothing happens, without
//     a timer unless members are kept up.
//   - one for each dial under way, at most [Config.MaxDialing].
//   - with an Acceptor, one that accepts, and one for each offer under way.
//   - with a Check, one for each examination under way, at most 16.
//   - one for each member being shut because it was found dead, and one for all
//     that are shut together, with at most 16 helpers.
//
// A callback that ends its goroutine, with [runtime.Goexit], ends none of these for
// good. There is none for an idle member. [Pool.Close] returns after the last of them.
package poolkit
