package pooltest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Shutdown lets those finish who have a member, and nobody else get one.
func shutdown[C comparable](r *rig[C]) {
	p := r.ready()
	all := r.hold(2)
	r.full()
	old := r.someIdle()
	done := make(chan error, 1) // gets Shutdown's answer; never closed
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), r.patience())
		defer cancel()
		done <- p.Shutdown(ctx)
	}()
	for _, m := range old {
		r.eventually(func() bool { return r.census.was(m.conn).shut == 1 },
			"the pool shuts down, and member %v, which was idle, is not shut", m.id)
	}
	if l, err := p.Acquire(r.Context()); !errors.Is(err, poolkit.ErrClosed) {
		r.Errorf("Acquire from a pool that shuts down: %v, %v, want ErrClosed", l.ID(), err)
	}
	for i, l := range all {
		r.works(l, i+1, "on loan from a pool that shuts down")
		select {
		case err := <-done:
			r.Fatalf("Shutdown has returned (%v) while members are on loan", err)
		default:
		}
		r.giveBack(l, i+1)
	}
	r.within(func() {
		if err := <-done; err != nil {
			r.Errorf("Shutdown: %v", err)
		}
	}, "Shutdown does not return although every lease has ended")
	r.close()
}

// Shutdown does not wait for longer than its caller.
func hastyShutdown[C comparable](r *rig[C]) {
	p := r.ready()
	l := r.borrow(1)
	r.census.closing.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r.within(func() {
		err := p.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "on loan") {
			r.Errorf("Shutdown with a member on loan, when its context had ended: %v", err)
		}
	}, "Shutdown does not return although its context has ended")
	if n := r.census.was(l.Conn()).shut; n != 1 {
		r.Errorf("Shutdown has returned, and member %v, which was on loan, was shut %d times, want once", l.ID(), n)
	}
	l.Release()
	r.close()
}

// moments is at how many moments of its life a pool is closed.
func moments() int {
	if testing.Short() {
		return 16
	}
	return 64
}

// closedAt closes the pool at a moment of a life in which everything happens: while a
// certain callback is under way. The moments are close together while the pool fills, and
// further apart later.
func closedAt[C comparable](r *rig[C]) {
	at := 1 + r.moment + r.moment*r.moment/32
	reached := make(chan struct{}) // closed at the event; then the pool is being closed
	r.passes = func(event int) {
		if event == at {
			r.census.closing.Store(true)
			close(reached)
			if at%2 == 0 {
				<-time.After(time.Millisecond) // so that Close gets as far as it can
			}
		}
	}
	p := r.open()
	over := make(chan struct{}) // closed when life is over
	closed := make(chan struct{})
	go func() { // ends with Close; this function waits for it
		defer close(closed)
		select {
		case <-reached:
		case <-over:
		}
		r.census.closing.Store(true)
		_ = p.Close() // r.close gets the same error
	}()
	r.live(p)
	close(over)
	r.within(func() { <-closed }, "Close, at event %d, does not return", at)
	r.close()
}

// live is a pool's life. It ends early when the pool is closed.
func (r *rig[C]) live(p *poolkit.Pool[C]) {
	r.Helper()
	var borrowers sync.WaitGroup
	for i := range kept {
		borrowers.Go(func() {
			for turn := range 3 {
				ctx, cancel := context.WithTimeout(context.Background(), r.patience())
				l, err := p.Acquire(ctx)
				cancel()
				switch {
				case errors.Is(err, poolkit.ErrClosed):
					return
				case err != nil:
					r.Errorf("Acquire: %v", err)
					return
				}
				r.claim(l, i+1)
				if err := r.echo(l, i+1); err != nil && !r.census.closing.Load() {
					r.Errorf("member %v, lent from a pool that is not closed, does not work: %v", l.ID(), err)
				}
				r.yield(l, i+1)
				switch turn {
				case 0:
					l.Release()
				case 1:
					l.Discard()
				default:
					p.Flush()
					l.Release()
				}
			}
		})
	}
	r.within(borrowers.Wait, "callers of a pool in use, or of one that was closed, wait for ever")
}
