package compat

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// OutgoingGet takes the member with the given ID, once it is there.
func (p *Pool[C]) OutgoingGet(id string, timeout time.Duration) (net.Conn, error) {
	want, err := poolkit.ParseID(id)
	if err != nil {
		return nil, fmt.Errorf("%s: OutgoingGet: %w", p.cfg.Backend, err)
	}
	l, err := p.get(timeout, func(ctx context.Context, core *poolkit.Pool[C]) (poolkit.Lease[C], error) {
		return core.AcquireID(ctx, want)
	})
	if err != nil {
		return nil, err // not the Conn: a nil pointer would make a net.Conn that is not nil
	}
	return l.Conn(), nil
}

// IncomingGet takes any member, once there is one, and returns its ID.
func (p *Pool[C]) IncomingGet(timeout time.Duration) (string, net.Conn, error) {
	l, err := p.get(timeout, func(ctx context.Context, core *poolkit.Pool[C]) (poolkit.Lease[C], error) {
		return core.Acquire(ctx)
	})
	if err != nil {
		return "", nil, err
	}
	return l.ID().String(), l.Conn(), nil
}

// get takes a member from the core, once that is open, within the time-out.
func (p *Pool[C]) get(
	patience time.Duration,
	acquire func(context.Context, *poolkit.Pool[C]) (poolkit.Lease[C], error),
) (poolkit.Lease[C], error) {
	ctx := newTimeout(&p.timeouts, patience)
	defer ctx.stop()
	core := p.Core()
	if core == nil {
		var err error
		if core, err = p.Opened(ctx); err != nil {
			return poolkit.Lease[C]{}, err
		}
	}
	l, err := acquire(ctx, core)
	if err != nil && p.ctx.Err() != nil {
		err = p.errClosed
	}
	return l, err
}

// Opened waits until the manager has opened the core, and returns it.
func (p *Pool[C]) Opened(ctx context.Context) (*poolkit.Pool[C], error) {
	for {
		p.mu.Lock()
		core, err, changed := p.Core(), p.err, p.changed
		started, closed := p.started, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return nil, p.errClosed
		case core != nil:
			return core, nil
		case err != nil:
			return nil, fmt.Errorf("%s: the pool could not be opened: %w", p.cfg.Backend, err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			switch {
			case p.ctx.Err() != nil:
				return nil, p.errClosed
			case !started:
				return nil, fmt.Errorf("%s: %w: %w", p.cfg.Backend, ErrNotStarted, ctx.Err())
			default:
				return nil, fmt.Errorf("%s: the pool is still opening: %w", p.cfg.Backend, ctx.Err())
			}
		}
	}
}
