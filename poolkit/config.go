package poolkit

import (
	"context"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// Config says how to make, watch and end the members of a pool. Its zero values
// are the documented defaults; only Shut and one source are required.
type Config[C any] struct {
	// Dialer and Acceptor are the sources. At least one must be set; a pool with
	// both dials and accepts at the same time.
	Dialer   Dialer[C]
	Acceptor Acceptor[C]

	// Shut ends a member for good. It is required, and called exactly once for every
	// member that is not hijacked, without any lock. While [Pool.Close] runs it may be
	// called for a member that is on loan. The member's place counts as held until it
	// returns. Its error is nobody's concern: what matters, Shut reports itself.
	Shut func(C) error

	// Watch, if set, starts watching an idle member: when it ends by itself, or is
	// about to, w is to be told. The member then leaves the pool before anyone is
	// handed it.
	//
	// The pool calls stop before it hands the member out or examines it; stop reports
	// false when the member has already ended. A stopped watch must not call w any more,
	// but for a call already under way.
	Watch func(member C, w Watcher) (stop func() bool)

	// Healthy, if set, is asked right before a member is handed out and when it
	// comes back. It must not block. A member that is not healthy is shut.
	Healthy func(C) bool

	// Dead, if set, is asked about a member on loan, or being shut, when another arrives under
	// its ID: whether it has ended. If so it loses the ID to the other. A peer that begins
	// anew may use IDs again that it has given before, while somebody still holds what it
	// had them for. Dead may be called while the member is used, and must not block. Without
	// it the other is turned away ([ErrDuplicateID]).
	Dead func(C) bool

	// Peer, if set, names the peer that a member belongs to, for [Pool.AcquireFrom] and
	// [Pool.Peers]. It is asked once, when the member arrives, and must not block. Any
	// string is a name, the empty one too.
	Peer func(C) string

	// Sequence, if set, numbers the members of a shard, from 1, in the order in which they
	// were made. They are then lent in that order, whatever the order in which they have
	// arrived: so the two ends of the same members agree which is the oldest. It is asked
	// once, when the member arrives, and must not block.
	Sequence func(C) uint64

	// Lent, if set, is told of each lease right before the caller receives it. A
	// backend whose members can be closed by themselves keeps the lease here, and
	// ends it then.
	Lent func(C, Lease[C])

	// Announce, if set, is called when [Pool.Shutdown] begins: the place to tell the
	// peers. Until it returns the pool makes no members, and Acquire hands out none, but
	// AcquireID does: the peer may have taken one before it knew. ctx is Shutdown's, and
	// ends too when the pool is closed.
	Announce func(ctx context.Context)

	// Linger, if set, is called by [Pool.Shutdown] when every lease has ended: the place
	// to wait until what was written has arrived. It is called once, not in a pool that has
	// been closed, and ends before Closed is called. ctx is Shutdown's, and ends too when
	// the pool is closed.
	Linger func(ctx context.Context)

	// Closed, if set, is called once when the pool has closed: after every member
	// was shut and every goroutine of the pool has ended. It is the place to close
	// sockets and listeners. Its error is returned by [Pool.Close].
	Closed func() error

	// SingleUse says that a member serves one lease: Release then does what Discard
	// does. Otherwise members come back, and there may be more idle than the target:
	// those are shut that were not needed for a minute. See package sizing on policies
	// that decide about them too.
	SingleUse bool

	// NewestFirst hands out the member that has been idle shortest instead of the
	// one that has been idle longest.
	NewestFirst bool

	// MinCapacity and MaxCapacity bound the target: how many idle members the pool
	// keeps. Both zero means 1 and 128; inverted bounds are swapped. Both end at
	// Places × MaxShards; where all three are set, a higher MaxCapacity is an error.
	MinCapacity, MaxCapacity int

	// Sizing moves the target within its bounds. The default is a
	// [sizing.Ladder] with a price of 30 s a wait: see docs/sizing.md. A policy that
	// learns, as that does, serves one pool.
	Sizing sizing.Policy

	// Places is the number of members a shard can have open, idle or not; default
	// 128. MaxShards is the number of shards; default 64. Together they bound
	// everything the pool has open.
	Places, MaxShards int

	// Spread is over how many shards members are shared out evenly before further
	// shards are used; default 1, so that they fold together on few. It is good where
	// each shard leads somewhere else. More than MaxShards means all of them.
	Spread int

	// Budget, if set, bounds what this pool and others that have the same one may have
	// open together. What it does not allow is dialled when it does.
	Budget *Budget

	// MaxDialing is the number of dials under way at once; default 32.
	MaxDialing int

	// DialTimeout bounds one call of Dial or Admit; default 10 s. With NoTimeout every
	// call gets the same context, which ends when the pool closes, and the backend
	// sees to timeouts itself.
	DialTimeout time.Duration

	// FailFast is for callers who would rather know than wait. When a dial has failed, none
	// is under way, and it is not time for the next, Acquire returns why it failed, at once,
	// to those who wait for any member and to those who come: that is what they would
	// otherwise wait through, to their own deadline. The pool goes on trying, at the pace of
	// failures. Who waits for a certain member or peer, or with [Pool.WaitReady], waits all
	// the same.
	FailFast bool

	// MaxAge is the age at which a member is replaced; zero is never. An idle one can be
	// lent until its replacement has arrived, so that no pool stands empty because of age.
	// One on loan is shut when it comes back, never before. Where every place is held, or
	// the Budget is spent, the replacement finds no room: then one member at a time goes
	// first.
	//
	// Members that were made together are not replaced together. After one has gone none
	// does for MaxAge divided by the number of members open, as with PgBouncer, so that
	// the last of them gets twice as old. From then on they are spaced.
	//
	// MaxAge and MaxIdle are for what the pool has dialled. What a peer has opened is the
	// peer's to renew: a pool without a Dialer refuses them.
	MaxAge time.Duration

	// MaxIdle is how long a member stands idle without being lent before it is shut, and
	// replaced if the target needs it; zero is for ever. It belongs below what the server,
	// or a middlebox on the way, allows a silent connection. The replacement comes first,
	// as with MaxAge. At most 16 are replaced at once, however many are due.
	//
	// No clock is read when a member is lent or comes back. So MaxIdle, MaxAge and
	// CheckInterval are kept to an eighth of the shortest of them: what is due happens
	// then, or up to so much later. Below a millisecond the pool does not tell times apart.
	MaxIdle time.Duration

	// MaxUses is how many leases a member serves before it is shut on its return; zero is
	// no limit. Like any member on loan it has been replaced when it was taken.
	MaxUses int

	// Check, if set, examines the idle members in the background, those too that a peer
	// has opened. Unlike Healthy it may do I/O and wait. Meanwhile nobody is lent the
	// member, though it counts as idle ([Stats.Checking]) and keeps its place in the order.
	// Who asks for its ID, or finds no other, waits for the end of the check or for the
	// next to arrive.
	//
	// An error means that the member is dead: it is shut and replaced, and the error told
	// to the Failed hook. Who waits for its ID gets [ErrLost]. As others may have died of
	// the same, all that are idle are then examined at once, not in their turn.
	//
	// The pool stops the watch before a check and starts it anew afterwards, and does not
	// shut a member during its check. At most 16 are examined at once. Check must return
	// soon after ctx ends, after CheckTimeout or when the pool drains: Close waits for it.
	Check func(ctx context.Context, member C) error

	// CheckInterval is how long a member stands idle, neither lent nor examined, before it
	// is examined; default 30 s. CheckTimeout bounds one check; default 5 s. Neither may be
	// set without Check.
	CheckInterval, CheckTimeout time.Duration

	// FirstID, if set, is the ID of the first member that an Acceptor's pool admits.
	// No other member of the pool ever gets it.
	FirstID *ID

	// Hooks are told what happens.
	Hooks Hooks
}
