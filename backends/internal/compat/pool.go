// Package compat is what the compatibility pools of all backends have in common: a core
// that a manager opens, getters with a time-out each, and the user's count of errors.
// Each backend wraps a [Pool] in a type of its own, where users find it documented.
package compat

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Config says what is special about a backend's pool.
type Config[C net.Conn] struct {
	Backend string // the package, which errors and logs name first
	Members string // what its members are called there: "streams"

	// What Capacity and Interval return before the core is open.
	Capacity int
	Interval time.Duration

	// Open starts the core, with hooks. A permanent error is final, and otherwise it is
	// called again a second later.
	Open func(poolkit.Hooks) (*poolkit.Pool[C], error)
}

// Pool is a compatibility pool. Any goroutine may call its methods at any time.
type Pool[C net.Conn] struct {
	cfg       Config[C] // set by New, never written again
	errClosed error     // what getters of a closed pool return

	core     atomic.Pointer[poolkit.Pool[C]] // nil until the manager has opened it; set under mu
	errors   atomic.Int64                    // what the user has counted
	timeouts sync.Pool                       // of *timeout, none running or expired

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	opening sync.WaitGroup // what opens the core

	mu      sync.Mutex
	started bool          // guarded by mu, as is the rest: a manager was called
	closed  bool          //
	err     error         // why it could not be opened, if so
	changed chan struct{} // closed and replaced when core, err or closed changes
	logged  string        // the permanent error that was logged last
}

// New returns a pool that does nothing before Start.
func New[C net.Conn](cfg Config[C]) *Pool[C] {
	p := &Pool[C]{
		cfg:       cfg,
		errClosed: fmt.Errorf("%s: %w", cfg.Backend, poolkit.ErrClosed),
		changed:   make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// Ordered makes bounds of two numbers: non-positive ones become def.
func Ordered[T int | time.Duration](a, b, def T) (low, high T) {
	if a <= 0 {
		a = def
	}
	if b <= 0 {
		b = def
	}
	return min(a, b), max(a, b)
}

// hooks log a permanent error of the core once, until another comes.
func (p *Pool[C]) hooks() poolkit.Hooks {
	return poolkit.Hooks{Failed: func(_ int, err error) {
		if poolkit.IsPermanent(err) {
			p.log(err)
		}
	}}
}

func (p *Pool[C]) log(err error) {
	p.mu.Lock()
	again := p.logged == err.Error()
	p.logged = err.Error()
	p.mu.Unlock()
	if !again {
		slog.Error(p.cfg.Backend+" pool: no "+p.cfg.Members, "error", err)
	}
}

// Active returns the number of idle members.
func (p *Pool[C]) Active() int {
	if core := p.Core(); core != nil {
		return core.Stats().Idle
	}
	return 0
}

// Capacity returns the number of idle members that the pool keeps now.
func (p *Pool[C]) Capacity() int {
	if core := p.Core(); core != nil {
		return core.Stats().Capacity
	}
	return p.cfg.Capacity
}

// Interval returns the time between two steps of the sizing policy, as it is now.
func (p *Pool[C]) Interval() time.Duration {
	if core := p.Core(); core != nil {
		return core.Stats().Interval
	}
	return p.cfg.Interval
}

// Ready reports whether the pool has not been closed yet.
func (p *Pool[C]) Ready() bool { return p.ctx.Err() == nil }

// AddError counts an error of the user's.
func (p *Pool[C]) AddError() { p.errors.Add(1) }

// ErrorCount returns how many errors the user has counted.
func (p *Pool[C]) ErrorCount() int { return int(p.errors.Load()) }

// ResetError sets the count to zero.
func (p *Pool[C]) ResetError() { p.errors.Store(0) }

// Flush shuts all idle members.
func (p *Pool[C]) Flush() {
	if core := p.Core(); core != nil {
		core.Flush()
	}
}
