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

	// Budget, if set, bounds what this pool and others that have the same one may have
	// open together. What it does not allow is dialled when it does.
	Budget *Budget

	// MaxDialing is the number of dials under way at once; default 32.
	MaxDialing int

	// DialTimeout bounds one call of Dial or Admit; default 10 s. With NoTimeout every
	// call gets the same context, which ends when the pool closes, and the backend
	// sees to timeouts itself.
	DialTimeout time.Duration

	// MaxAge is how long after it was made a member is replaced; zero is never. An idle
	// member can be lent until its replacement has arrived, so that no pool stands empty
	// because of age; one on loan is shut when it comes back, never before. Where every
	// place is held there is no room for the replacement, and one member at a time goes
	// first.
	//
	// Members that were made together are not replaced together: one goes, then none in
	// the MaxAge divided by the number of members open, so that the last of them gets
	// twice as old. From then on they are apart.
	//
	// MaxAge and MaxIdle are for what the pool has dialled. What a peer has opened is the
	// peer's to renew, so a pool without a Dialer refuses them.
	MaxAge time.Duration

	// MaxIdle is how long a member stands idle without being lent before it is shut, and
	// replaced if the target needs it; zero is for ever. It belongs below what the server,
	// or a middlebox on the way, allows a silent connection. As with MaxAge the
	// replacement comes first. Several are replaced at once, at most 16.
	//
	// The pool reads no clock when a member is lent or comes back. So MaxIdle, MaxAge and
	// CheckInterval are kept to an eighth: what is due happens then or a little later.
	MaxIdle time.Duration

	// MaxUses is how many leases a member serves before it is shut on its return; zero is
	// no limit.
	MaxUses int

	// Check, if set, examines idle members in the background. Other than Healthy it may
	// do I/O and wait. Meanwhile nobody is lent the member, which counts as idle all the
	// same; who asks for its ID, or finds no other, waits for the end of the check. An
	// error means that the member is dead: it is shut and replaced. Since the others may
	// have died of the same, they are then examined at once.
	//
	// The pool stops the watch before a check and starts it anew afterwards. At most 16
	// members are examined at once. Check must return soon after ctx ends, which it does
	// after CheckTimeout and when the pool closes: Close waits for it.
	Check func(ctx context.Context, member C) error

	// CheckInterval is how long a member stands idle before it is examined, and again
	// before the next time; default 30 s. CheckTimeout bounds one examination; default
	// 5 s. Neither may be set without Check.
	CheckInterval, CheckTimeout time.Duration

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

	// Resized is called when the target has moved: what the policy wants, which may count
	// the members on loan.
	Resized func(from, to int)
}

// Reason is why a member left a pool.
type Reason uint8

// The reasons for which a member leaves a pool.
const (
	Ended      Reason = iota // its lease ended
	Gone                     // it ended by itself while idle
	Unhealthy                // Healthy or Check said so
	Surplus                  // it was more than the target
	Flushed                  // by Flush
	PoolClosed               // by Close or Shutdown
	Aged                     // it was older than Config.MaxAge
	Unused                   // it stood idle for Config.MaxIdle
	Worn                     // it had served Config.MaxUses leases
	Evicted                  // by Shed or TryClose, or when its lease ended, since the Budget was short
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
	case Aged:
		return "aged"
	case Unused:
		return "unused"
	case Worn:
		return "worn"
	case Evicted:
		return "evicted"
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// NoTimeout leaves timeouts to the backend, as [Config.DialTimeout].
const NoTimeout time.Duration = -1

// The defaults of Config.
const (
	defaultMinCapacity   = 1
	defaultMaxCapacity   = 128
	defaultPlaces        = 128
	defaultMaxShards     = 64
	defaultMaxDialing    = 32
	defaultDialTimeout   = 10 * time.Second
	defaultMinInterval   = 500 * time.Millisecond
	defaultMaxInterval   = 5 * time.Second
	defaultCheckInterval = 30 * time.Second
	defaultCheckTimeout  = 5 * time.Second
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
		{"MaxUses", cfg.MaxUses},
	} {
		if n.value < 0 {
			return cfg, fmt.Errorf("poolkit: Config.%s is negative (%d)", n.name, n.value)
		}
	}
	if cfg.DialTimeout < 0 && cfg.DialTimeout != NoTimeout {
		return cfg, fmt.Errorf("poolkit: Config.DialTimeout is negative (%v)", cfg.DialTimeout)
	}
	if err := cfg.checkUpkeep(); err != nil {
		return cfg, err
	}
	if err := cfg.checkRoom(); err != nil {
		return cfg, err
	}
	if cfg.FirstID != nil {
		id := *cfg.FirstID // the caller may change it
		cfg.FirstID = &id
	}
	if cfg.MinCapacity == 0 && cfg.MaxCapacity == 0 {
		cfg.MinCapacity, cfg.MaxCapacity = defaultMinCapacity, defaultMaxCapacity
	}
	if cfg.Sizing == nil {
		cfg.Sizing = &sizing.Stepwise{MinInterval: defaultMinInterval, MaxInterval: defaultMaxInterval}
	}
	orDefault(&cfg.Places, defaultPlaces)
	orDefault(&cfg.MaxShards, defaultMaxShards)
	cfg.MinCapacity, cfg.MaxCapacity = cfg.bounds(cfg.MinCapacity, cfg.MaxCapacity)
	orDefault(&cfg.Spread, 1)
	orDefault(&cfg.MaxDialing, defaultMaxDialing)
	orDefault(&cfg.DialTimeout, defaultDialTimeout)
	if cfg.Check != nil {
		orDefault(&cfg.CheckInterval, defaultCheckInterval)
		orDefault(&cfg.CheckTimeout, defaultCheckTimeout)
	}
	return cfg, nil
}

// checkUpkeep says what is wrong with how members are to be renewed and examined.
func (cfg *Config[C]) checkUpkeep() error {
	for _, d := range []struct {
		name          string
		value         time.Duration
		needed, needs string
		there         bool
	}{
		{"MaxAge", cfg.MaxAge, "Dialer", "what a peer has opened is the peer's to renew", cfg.Dialer != nil},
		{"MaxIdle", cfg.MaxIdle, "Dialer", "what a peer has opened is the peer's to renew", cfg.Dialer != nil},
		{"CheckInterval", cfg.CheckInterval, "Check", "there is nothing to do at intervals", cfg.Check != nil},
		{"CheckTimeout", cfg.CheckTimeout, "Check", "there is nothing to bound", cfg.Check != nil},
	} {
		if d.value < 0 {
			return fmt.Errorf("poolkit: Config.%s is negative (%v)", d.name, d.value)
		}
		if d.value > 0 && !d.there {
			return fmt.Errorf("poolkit: Config.%s is set without Config.%s: %s", d.name, d.needed, d.needs)
		}
	}
	if cfg.SingleUse && cfg.MaxUses > 1 {
		return fmt.Errorf("poolkit: Config.MaxUses is %d with Config.SingleUse, where a member serves one lease", cfg.MaxUses)
	}
	return nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// checkRoom says whether the pool was told to keep more idle than it may have open.
func (cfg *Config[C]) checkRoom() error {
	most := max(cfg.MinCapacity, cfg.MaxCapacity)
	if cfg.Places == 0 || cfg.MaxShards == 0 || cfg.fits(most) {
		return nil
	}
	return fmt.Errorf("poolkit: Config.MaxCapacity is %d, but %d shards of %d places have room for %d: raise Places or MaxShards, or lower MaxCapacity",
		most, cfg.MaxShards, cfg.Places, cfg.Places*cfg.MaxShards)
}

// fits reports whether there is room for n members, Places and MaxShards being set.
func (cfg *Config[C]) fits(n int) bool { return n <= 0 || (n-1)/cfg.Places < cfg.MaxShards }

// bounds orders two bounds of a target, and keeps them to what there is room for.
func (cfg *Config[C]) bounds(a, b int) (low, high int) {
	low, high = max(min(a, b), 0), max(a, b, 0)
	if !cfg.fits(high) {
		high = cfg.Places * cfg.MaxShards // less than high: it does not overflow
	}
	return min(low, high), high
}
