package poolkit

import "context"

// A Dialer makes members: it is the active source of a pool.
type Dialer[C any] interface {
	// Dial opens one member on the given shard and returns it with its ID. All
	// members of a shard share one underlying connection, where the backend has
	// such a thing; otherwise the shard may be ignored.
	//
	// The pool calls Dial from many goroutines at once, for the same shard too.
	// ctx ends when the pool closes or after [Config.DialTimeout], never because a
	// caller of Acquire gave up. Dial must return soon after ctx ends: Close waits
	// for it. Unless the timeout is [NoTimeout], ctx ends when Dial returns, too: the
	// member must outlive it.
	//
	// Dial reports [ErrShardFull] when the peer grants no more members on the
	// shard for now; the pool then tries another shard. An error marked with
	// [Permanent] is told to everybody who waits. After any other error the shard
	// rests for a while.
	Dial(ctx context.Context, shard int) (ID, C, error)
}

// DialerFunc is a function that is a [Dialer].
type DialerFunc[C any] func(ctx context.Context, shard int) (ID, C, error)

// Dial calls f.
func (f DialerFunc[C]) Dial(ctx context.Context, shard int) (ID, C, error) { return f(ctx, shard) }

// An Acceptor yields members that the peer opens: it is the passive source of a
// pool.
type Acceptor[C any] interface {
	// Accept waits for the next offer. The pool calls it from one goroutine, so
	// Accept must not wait for the peer that makes the offer: that is Admit's work.
	//
	// An error does not end the pool. It is reported like a failed dial, and
	// Accept is called again after a pause, until ctx ends.
	Accept(ctx context.Context) (Offer[C], error)
}

// An Offer is a member that a peer wants to open. The pool calls exactly one of
// Admit and Refuse.
type Offer[C any] interface {
	// Shard returns the number of the underlying connection.
	Shard() int

	// Admit completes the opening under the given ID: it tells the peer, and
	// returns the member. It is called on a goroutine of its own and must return
	// soon after ctx ends ([Config.DialTimeout]). When it fails it must have ended
	// whatever the peer had opened.
	Admit(ctx context.Context, id ID) (C, error)

	// Refuse turns the peer away, without waiting for it.
	Refuse()
}
