package keyed

import (
	"context"
	"errors"
	"fmt"

	"github.com/vistone/poolkit/poolkit"
)

// entry is a key with its pool, from the first use until the pool has been closed. Each
// use after that has a new one.
type entry[K comparable, C any] struct {
	key  K
	made chan struct{}    // closed by who makes the pool, when it is made or cannot be
	gone chan struct{}    // closed by bury, when it has been closed
	pool *poolkit.Pool[C] // set before made is closed, as is err
	err  error

	// Guarded by the mutex of the Pool.
	state      state
	pins       int    // callers for whom it must not be retired
	used       uint32 // in which quarter of MaxIdle
	proven     bool   // used again since the first time
	prev, next *entry[K, C]
}

type state uint8

const (
	making  state = iota // somebody makes the pool; others wait for that
	open                 // it is in use, and in the order of recency
	parting              // it is being closed
)

// find returns the entry of a key whose pool is open, or nil, and notes that it is used.
func (p *Pool[K, C]) find(key K) *entry[K, C] {
	p.mu.Lock()
	defer p.mu.Unlock() // a key that cannot be hashed panics
	e := p.entries[key]
	if e == nil || e.state != open {
		return nil
	}
	p.touch(e)
	return e
}

func (p *Pool[K, C]) touch(e *entry[K, C]) {
	e.used = p.quarter
	p.order.touch(e)
}

// use lets f use the pool of a key, which it makes if there is none. It does so again
// when that pool is closed meanwhile: not by eviction, since it is pinned, but [Pool.Remove]
// may be called at any time.
func (p *Pool[K, C]) use(ctx context.Context, key K, f func(*poolkit.Pool[C]) error) error {
	for {
		e, err := p.enter(ctx, key)
		if err != nil {
			return p.explain(key, err)
		}
		err = p.pinned(e, f)
		if err == nil || !p.parted(e, err) {
			return p.explain(key, err)
		}
	}
}

// pinned calls f, and then lets go of the entry.
func (p *Pool[K, C]) pinned(e *entry[K, C], f func(*poolkit.Pool[C]) error) error {
	defer func() {
		p.mu.Lock()
		e.pins--
		p.mu.Unlock()
	}()
	return f(e.pool)
}

// parted reports whether it was the closing of a key's pool that brought an error: then
// the key deserves another.
func (p *Pool[K, C]) parted(e *entry[K, C], err error) bool {
	if !errors.Is(err, poolkit.ErrClosed) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return e.state == parting
}

// enter returns the entry of a key, with an open pool and pinned. It waits while the pool
// is made, or an earlier one closed: a key has one at a time.
func (p *Pool[K, C]) enter(ctx context.Context, key K) (*entry[K, C], error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, poolkit.ErrClosed
		}
		e := p.entries[key]
		if e == nil {
			return p.add(key)
		}
		if e.state == open {
			p.touch(e)
			e.pins++
			p.mu.Unlock()
			return e, nil
		}
		wait := e.gone
		if e.state == making {
			wait = e.made
		}
		p.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, whyEnded(ctx)
		}
		if e.err != nil {
			return nil, e.err
		}
	}
}

// errNoKey is what becomes of a NaN: a map takes it, and never finds it again.
var errNoKey = errors.New("the key is not equal to itself")

// add makes the entry of a key, and its pool. It unlocks mu.
func (p *Pool[K, C]) add(key K) (*entry[K, C], error) {
	if key != key {
		p.mu.Unlock()
		return nil, errNoKey
	}
	e := &entry[K, C]{key: key, made: make(chan struct{}), gone: make(chan struct{})}
	p.entries[key] = e
	p.work.Add(1)
	p.mu.Unlock()
	p.make(e)
	return e, e.err
}

// errNoReturn is what is wrong with a [Config.Pool] that ends its goroutine.
var errNoReturn = errors.New("Config.Pool did not return")

// make gives an entry its pool, and tells those who wait for it.
func (p *Pool[K, C]) make(e *entry[K, C]) {
	defer p.work.Done()
	e.err = errNoReturn
	defer p.settle(e)
	e.pool, e.err = p.build(e.key)
	if e.err == nil {
		p.hookOpened(e.key)
		e.pins = 1 // whoever makes it is about to use it; nobody else looks at it yet
	}
}

// build makes the pool of a key.
func (p *Pool[K, C]) build(key K) (*poolkit.Pool[C], error) {
	cfg, err := p.callPool(key)
	if err != nil {
		return nil, fmt.Errorf("make its pool: %w", err)
	}
	if cfg.Budget != nil {
		return nil, errors.New("make its pool: Config.Pool returned a Budget: leave it nil, it is set here")
	}
	cfg.Budget = p.budget
	pool, err := poolkit.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("make its pool: %w", err)
	}
	return pool, nil
}

// settle opens an entry whose pool has been made, unless it is wanted no more.
func (p *Pool[K, C]) settle(e *entry[K, C]) {
	p.mu.Lock()
	if e.err == nil && p.closed {
		e.err = poolkit.ErrClosed
	}
	unwanted := e.state == parting || e.err != nil
	if unwanted {
		e.state = parting
		if p.entries[e.key] == e {
			delete(p.entries, e.key)
		}
	} else {
		e.state = open
		e.used = p.quarter
		p.order.add(e)
		p.opened++
		e.pool.Shed(p.budget.Shortage()) // keep could not see what is idle here
		p.wake()
	}
	err := e.err
	p.mu.Unlock()
	close(e.made)
	switch {
	case !unwanted:
	case e.pool != nil:
		p.finish(e, e.pool.Close())
	default:
		p.hookFailed(e.key, err)
	}
}
