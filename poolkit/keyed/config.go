package keyed

import (
	"errors"
	"fmt"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Config says how the pools of the keys are made, and what bounds them. Pool and Budget
// are required.
type Config[K comparable, C any] struct {
	// Pool returns the configuration of the pool of a key. It is called when the key is
	// used and has no pool, by one goroutine at a time for the same key. Others who want
	// that key wait meanwhile, so it must not block, and it must not wait for the same
	// key itself. An error is told to those who wait, and to nobody after: the next use
	// of the key calls again.
	//
	// What bounds one key is said here: Places and MaxShards bound what it may have
	// open, MaxCapacity what is kept ready for it. The Budget is set by this package.
	//
	// Every key keeps one member ready beyond those in use, unless it says otherwise. To
	// dial for callers only, set MaxCapacity to 1 and Sizing to sizing.Fixed(0).
	Pool func(key K) (poolkit.Config[C], error)

	// Budget is how many members may be open at once over all keys: idle, on loan, on
	// their way or being shut. [Pool.SetBudget] changes it.
	Budget int

	// MaxIdle is how long a key goes unused before its pool is closed, at most a quarter
	// longer; default 90 s, as net/http keeps idle connections. A key of which a member
	// is on loan, or waited for, is in use.
	MaxIdle time.Duration

	// Hooks are told what happens.
	Hooks Hooks[K]
}

// Hooks are told what becomes of the pools of the keys. Each may be nil. They are called
// without any lock and may call the methods of the Pool, except those that wait. They
// must not block. What happens to members is told to the hooks of their own pool.
type Hooks[K comparable] struct {
	// Opened is called when a key has got a pool, before anybody uses that.
	Opened func(key K)

	// Closed is called when a key's pool has been closed, with the error of that.
	Closed func(key K, err error)

	// Failed is called when a key could not get a pool, or when another hook panics.
	Failed func(key K, err error)
}

// defaultMaxIdle is the IdleConnTimeout of [net/http.DefaultTransport].
const defaultMaxIdle = 90 * time.Second

// withDefaults returns the configuration with its zero values filled in, or what is
// wrong with it.
func (cfg Config[K, C]) withDefaults() (Config[K, C], error) {
	if cfg.Pool == nil {
		return cfg, errors.New("keyed: Config.Pool is not set: it says how to make the pool of a key")
	}
	if err := checkBudget(cfg.Budget); err != nil {
		return cfg, err
	}
	if cfg.MaxIdle < 0 {
		return cfg, fmt.Errorf("keyed: Config.MaxIdle is negative (%v)", cfg.MaxIdle)
	}
	if cfg.MaxIdle == 0 {
		cfg.MaxIdle = defaultMaxIdle
	}
	return cfg, nil
}

func checkBudget(n int) error {
	if n < 1 {
		return fmt.Errorf("keyed: a budget of %d lets nothing be opened: set at least 1", n)
	}
	return nil
}
