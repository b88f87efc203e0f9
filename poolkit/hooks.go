package poolkit

import "fmt"

// Hooks are told what happens in a pool. Each may be nil. They are called without
// any lock and may call the pool's methods, except those that wait: Close, Shutdown,
// WaitReady, and Acquire and its kin. They must not block.
type Hooks struct {
	// Joined is called when a member has arrived.
	Joined func(id ID, shard int)

	// Left is called when a member that had joined has been shut, but holds its place
	// still. Where a member is used at once and ended, it may run beside Joined.
	Left func(id ID, shard int, why Reason)

	// Failed is called when a member could not be made or has failed its check, and when
	// a callback panics. The shard is −1 where the failure belongs to none.
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
