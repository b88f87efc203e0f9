package quic

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// OutgoingGet returns the stream with the given ID, eight hexadecimal digits. If it
// is not here yet, OutgoingGet waits until it arrives: for as long as timeout, and
// not a moment longer. The stream is a [*StreamConn]; [StreamConn.Close] gives its
// place back.
//
// Errors: [poolkit.ErrLost] at once if the stream was here and has just ended; the
// timeout, which is [context.DeadlineExceeded] and has Timeout();
// [net.ErrClosed] once the pool is closed; and at once whatever keeps the pool from
// having streams at all, such as a rejected certificate.
func (p *Pool) OutgoingGet(id string, timeout time.Duration) (net.Conn, error) {
	want, err := poolkit.ParseID(id)
	if err != nil {
		return nil, fmt.Errorf("quic: OutgoingGet: %w", err)
	}
	s, err := p.get(timeout, func(ctx context.Context, core *poolkit.Pool[*StreamConn]) (poolkit.Lease[*StreamConn], error) {
		return core.AcquireID(ctx, want)
	})
	if err != nil {
		return nil, err // not s: a nil *StreamConn would make a net.Conn that is not nil
	}
	return s, nil
}

// IncomingGet returns any idle stream and its ID, by which the other end finds it.
// If none is idle, IncomingGet waits until one arrives, for as long as timeout. Its
// errors are those of [Pool.OutgoingGet].
func (p *Pool) IncomingGet(timeout time.Duration) (string, net.Conn, error) {
	s, err := p.get(timeout, func(ctx context.Context, core *poolkit.Pool[*StreamConn]) (poolkit.Lease[*StreamConn], error) {
		return core.Acquire(ctx)
	})
	if err != nil {
		return "", nil, err
	}
	return s.ID().String(), s, nil
}

// get takes a stream from the core, once that is open, within the timeout.
func (p *Pool) get(
	patience time.Duration,
	acquire func(context.Context, *poolkit.Pool[*StreamConn]) (poolkit.Lease[*StreamConn], error),
) (*StreamConn, error) {
	ctx := newTimeout(&p.timeouts, patience)
	defer ctx.stop()
	core := p.running()
	if core == nil {
		var err error
		if core, err = p.opened(ctx); err != nil {
			return nil, err
		}
	}
	l, err := acquire(ctx, core)
	if err != nil {
		if p.ctx.Err() != nil {
			return nil, errClosed
		}
		return nil, err
	}
	return l.Conn(), nil
}

// opened waits until the manager has opened the core.
func (p *Pool) opened(ctx context.Context) (*poolkit.Pool[*StreamConn], error) {
	for {
		p.mu.Lock()
		core, err, changed := p.running(), p.err, p.changed
		started, closed := p.started, p.closed
		p.mu.Unlock()
		switch {
		case closed:
			return nil, errClosed
		case core != nil:
			return core, nil
		case err != nil:
			return nil, fmt.Errorf("quic: the pool could not be opened: %w", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			switch {
			case p.ctx.Err() != nil:
				return nil, errClosed
			case !started:
				return nil, fmt.Errorf("%w: %w", errNotStarted, ctx.Err())
			default:
				return nil, fmt.Errorf("quic: the pool is still opening: %w", ctx.Err())
			}
		}
	}
}
