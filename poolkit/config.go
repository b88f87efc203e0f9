package poolkit

import (
	"context"
	"errors"
	"fmt"
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

	// Shut ends a member for good. It is required, and called exactly once for
	// every member, without any lock. While [Pool.Close] runs it may be called for a
	// member that is in use. The member's place counts as held until it returns.
	Shut func(C) error

	// Watch, if set, starts watching an idle member: when it ends by itself, or is
	// about to, w is to be told. The member then leaves the pool before anyone is
	// handed it.
	//
	// The pool calls stop before it hands the member out; stop reports false when
	// the member has already ended. A stopped watch must not call w any more, but for
	// a call already under way.
	Watch func(member C, w Watcher) (stop func() bool)

	// Healthy, if set, is asked right before a member is handed out and when it
	// comes back. It must not block. A member that is not healthy is shut.
	Healthy func(C) bool

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
	// to wait until what was written has arrived. ctx is Shutdown's.
	Linger func(ctx context.Context)

	// Closed, if set, is called once when the pool has closed: after every member
	// was shut and every goroutine of the pool has ended. It is the place to close
	// sockets and listeners. Its error is returned by [Pool.Close].
	Closed func() error

	// SingleUse says that a member serves one lease: Release then does what Discard
	// does. Otherwise members come back, and there may be more idle than the target:
	// those are shut that were not needed for a minute.
	SingleUse bool

	// NewestFirst hands out the member that has been idle shortest instead of the
	// one that has been idle longest.
	NewestFirst bool

	// MinCapacity and MaxCapacity bound the target: how many idle members the pool
	// keeps. Both zero means 1 and 128; inverted bounds are swapped.
	MinCapacity, MaxCapacity int

	// Sizing moves the target within its bounds. The default is a
	// [sizing.Stepwise] with intervals of 500 ms to 5 s.
	Sizing sizing.Policy

	// Places is the number of members a shard can have open, idle or not; default
	// 128. MaxShards is the number of shards; default 64. Together they bound
	// everything the pool has open.
	Places, MaxShards int

	// Spread is over how many shards members are shared out evenly before further
	// shards are used; default 1, so that they fold together on few. It is good where
	// each shard leads somewhere else. More than MaxShards means all of them.
	Spread int

	// MaxDialing is the number of dials under way at once; default 32.
	MaxDialing int

	// DialTimeout bounds one call of Dial or Admit; default 10 s. With NoTimeout every
	// call gets the same context, which ends when the pool closes, and the backend
	// sees to timeouts itself.
	DialTimeout time.Duration

	// FirstID, if set, is the ID of the first member that an Acceptor's pool admits.
	// No other member of the pool ever gets it.
	FirstID *ID

	// Hooks are told what happens.
	Hooks Hooks
}

// Hooks are told what happens in a pool. Each may be nil. They are called without
// any lock and may call the pool's methods, except those that wait: Close,
// Shutdown and Acquire. They must not block.
type Hooks struct {
	// Joined is called when a member has arrived.
	Joined func(id ID, shard int)

	// Left is called when a member that had joined has been shut, but holds its place
	// still. Where a member is used at once and ended, it may run beside Joined.
	Left func(id ID, shard int, why Reason)

	// Failed is called when a member could not be made, and when a callback panics.
	// The shard is −1 where the failure belongs to none.
	Failed func(shard int, err error)

	// Resized is called when the target has moved.
	Resized func(from, to int)
}

// Reason is why a member left a pool.
type Reason uint8

// The reasons for which a member leaves a pool.
const (
	Ended      Reason = iota // its lease ended
	Gone                     // it ended by itself while idle
	Unhealthy                // the Healthy callback said so
	Surplus                  // it was more than the target
	Flushed                  // by Flush
	PoolClosed               // by Close or Shutdown
)

func (r Reason) String() string {
	switch r {
	case Ended:
		return "lease ended"
	case Gone:
		return "gone"
	case Unhealthy:
		return "unhealthy"
	case Surplus:
		return "surplus"
	case Flushed:
		return "flushed"
	case PoolClosed:
		return "pool closed"
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// NoTimeout leaves timeouts to the backend, as [Config.DialTimeout].
const NoTimeout time.Duration = -1

// The defaults of Config.
const (
	defaultMinCapacity = 1
	defaultMaxCapacity = 128
	defaultPlaces      = 128
	defaultMaxShards   = 64
	defaultMaxDialing  = 32
	defaultDialTimeout = 10 * time.Second
	defaultMinInterval = 500 * time.Millisecond
	defaultMaxInterval = 5 * time.Second
)

// withDefaults returns the configuration with its zero values filled in, or what
// is wrong with it.
func (cfg Config[C]) withDefaults() (Config[C], error) {
	if cfg.Shut == nil {
		return cfg, errors.New("poolkit: Config.Shut is not set: the pool must know how to end a member")
	}
	if cfg.Dialer == nil && cfg.Acceptor == nil {
		return cfg, errors.New("poolkit: neither Config.Dialer nor Config.Acceptor is set: the pool has no source of members")
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"MinCapacity", cfg.MinCapacity},
		{"MaxCapacity", cfg.MaxCapacity},
		{"Places", cfg.Places},
		{"MaxShards", cfg.MaxShards},
		{"Spread", cfg.Spread},
		{"MaxDialing", cfg.MaxDialing},
	} {
		if n.value < 0 {
			return cfg, fmt.Errorf("poolkit: Config.%s is negative (%d)", n.name, n.value)
		}
	}
	if cfg.DialTimeout < 0 && cfg.DialTimeout != NoTimeout {
		return cfg, fmt.Errorf("poolkit: Config.DialTimeout is negative (%v)", cfg.DialTimeout)
	}
	if cfg.FirstID != nil {
		id := *cfg.FirstID // the caller may change it
		cfg.FirstID = &id
	}
	if cfg.MinCapacity == 0 && cfg.MaxCapacity == 0 {
		cfg.MinCapacity, cfg.MaxCapacity = defaultMinCapacity, defaultMaxCapacity
	}
	cfg.MinCapacity, cfg.MaxCapacity = bounds(cfg.MinCapacity, cfg.MaxCapacity)
	if cfg.Sizing == nil {
		cfg.Sizing = &sizing.Stepwise{MinInterval: defaultMinInterval, MaxInterval: defaultMaxInterval}
	}
	orDefault(&cfg.Places, defaultPlaces)
	orDefault(&cfg.MaxShards, defaultMaxShards)
	orDefault(&cfg.Spread, 1)
	orDefault(&cfg.MaxDialing, defaultMaxDialing)
	orDefault(&cfg.DialTimeout, defaultDialTimeout)
	return cfg, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// bounds orders two bounds of a target.
func bounds(a, b int) (low, high int) { return max(min(a, b), 0), max(a, b, 0) }
