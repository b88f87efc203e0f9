package keyed

import (
	"context"
	"sync"

	"github.com/vistone/poolkit/poolkit"
)

// A Pool is a pool of members for each key. Its methods may be called by any goroutine
// at any time; [New] starts it, and [Pool.Close] or [Pool.Shutdown] ends it.
type Pool[K comparable, C any] struct {
	cfg    Config[K, C]            // set by New, never written again
	budget *poolkit.Budget         // what all pools share
	ctx    context.Context         // of the pools that are parting; ends when those are to be closed at once
	cancel context.CancelCauseFunc //
	grown  chan struct{}           // wakes keep when there are more pools; capacity 1 is enough, since keep looks at all; never closed
	quit   chan struct{}           // ends keep; closed under mu by the first of Shutdown and Close

	// work counts keep, the calls that make a pool, and the goroutines that close one. It
	// is added to only under mu, and not after what was open when the Pool closed.
	work sync.WaitGroup

	mu      sync.Mutex // guards what follows; a pool's own is locked under it, never the other way round
	entries map[K]*entry[K, C]
	parting map[*entry[K, C]]struct{} // those whose pools are being closed
	order   recency[K, C]             // of those that are open
	most    int                       // pools, before keep looks whether all are needed
	quarter uint32                    // of MaxIdle, counted by keep
	closed  bool
	opened  uint64  // pools, since New
	errs    []error // of the pools that Shutdown or Close has closed
}

// New returns a Pool without any keys: those come into being when they are used.
func New[K comparable, C any](cfg Config[K, C]) (*Pool[K, C], error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool[K, C]{
		cfg:     cfg,
		budget:  poolkit.NewBudget(cfg.Budget),
		most:    cfg.Budget,
		grown:   make(chan struct{}, 1),
		quit:    make(chan struct{}),
		entries: make(map[K]*entry[K, C]),
		parting: make(map[*entry[K, C]]struct{}),
	}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	p.work.Go(p.keep)
	return p, nil
}

// Acquire lends out a member of the key's pool, as [poolkit.Pool.Acquire] does. A key
// that has no pool gets one. Where the budget is used up, the key that is needed least
// gives up an idle member, and where all are on loan Acquire waits for one of them, of
// whatever key.
//
// The error is an [*AcquireError]. It wraps what the key's pool says, what
// [Config.Pool] returned, or [poolkit.ErrClosed] when the whole Pool is closed.
func (p *Pool[K, C]) Acquire(ctx context.Context, key K) (poolkit.Lease[C], error) {
	if e := p.find(key); e != nil {
		l, err := e.pool.Acquire(ctx)
		if err == nil || !p.parted(e, err) {
			return l, p.explain(key, err)
		}
	}
	var l poolkit.Lease[C]
	err := p.use(ctx, key, func(pool *poolkit.Pool[C]) (err error) {
		l, err = pool.Acquire(ctx)
		return err
	})
	return l, err
}

// AcquireID is like [Pool.Acquire] for the member with a certain ID of the key's pool.
// IDs of different keys have nothing to do with each other. To wait for an ID makes the
// pool dial no more than it does anyway.
func (p *Pool[K, C]) AcquireID(ctx context.Context, key K, id poolkit.ID) (poolkit.Lease[C], error) {
	if e := p.find(key); e != nil {
		l, err := e.pool.AcquireID(ctx, id)
		if err == nil || !p.parted(e, err) {
			return l, p.explain(key, err)
		}
	}
	var l poolkit.Lease[C]
	err := p.use(ctx, key, func(pool *poolkit.Pool[C]) (err error) {
		l, err = pool.AcquireID(ctx, id)
		return err
	})
	return l, err
}

// TryAcquire is [Pool.Acquire] for those who do not wait: it reports false where the key
// has no idle member. It never makes a pool.
func (p *Pool[K, C]) TryAcquire(key K) (poolkit.Lease[C], bool) {
	e := p.find(key)
	if e == nil {
		return poolkit.Lease[C]{}, false
	}
	return e.pool.TryAcquire()
}

// WaitReady waits until the key's pool has so many idle members, as
// [poolkit.Pool.WaitReady] does. A key that has no pool gets one. To keep members ready
// evicts nobody: where the budget is used up, WaitReady waits until others need less.
func (p *Pool[K, C]) WaitReady(ctx context.Context, key K, n int) error {
	return p.use(ctx, key, func(pool *poolkit.Pool[C]) error { return pool.WaitReady(ctx, n) })
}

// Flush shuts the idle members of a key, as [poolkit.Pool.Flush] does. Without a pool
// there are none.
func (p *Pool[K, C]) Flush(key K) {
	p.mu.Lock()
	e := p.entries[key]
	if e != nil && e.state != open {
		e = nil
	}
	p.mu.Unlock()
	if e != nil {
		e.pool.Flush()
	}
}

// Remove gives up the pool of a key: its idle members are shut, those on loan when their
// leases end. It does not wait for that. A later use of the key makes a pool anew, with
// what [Config.Pool] then returns, and so do callers who wait for a member now. It
// reports whether the key had a pool.
//
// Until the last lease has ended both pools have members open, so that it may be more
// than one of them allows. It is never more than the budget.
func (p *Pool[K, C]) Remove(key K) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[key]
	if e == nil || e.state == parting {
		return false
	}
	delete(p.entries, key)
	p.part(e)
	return true
}

// SetBudget changes how many members may be open over all keys. Where more are open, the
// idle members of the keys needed least are shut at once, and others when their leases
// end.
func (p *Pool[K, C]) SetBudget(n int) error {
	if err := checkBudget(n); err != nil {
		return err
	}
	p.budget.SetLimit(n)
	p.mu.Lock()
	p.most = n
	p.mu.Unlock()
	p.wake()
	return nil
}

// wake makes keep look at how many pools there are.
func (p *Pool[K, C]) wake() {
	select {
	case p.grown <- struct{}{}:
	default: // it is about to look anyway
	}
}
