package poolkit

import (
	"context"
	"errors"
	"fmt"
)

// Shutdown drains the pool: it stops dialling and accepting, refuses whoever waits
// or comes with [ErrClosed], shuts what is idle, and waits until every lease has
// ended. If ctx ends first, the members still on loan are shut too, and the error
// says so. Like Close it returns after the pool's last goroutine.
//
// A backend may tell its peers first, with [Config.Announce], and see at the end that
// they get what was written, with [Config.Linger].
func (p *Pool[C]) Shutdown(ctx context.Context) error {
	p.quiesce(ctx)
	p.drain()
	select {
	case <-p.empty:
		p.linger(ctx)
		return p.Close()
	case <-ctx.Done():
	}
	var err error
	if n := p.Stats().OnLoan; n > 0 {
		err = fmt.Errorf("poolkit: shutdown: %w (%d members on loan were closed)", whyEnded(ctx), n)
	}
	return errors.Join(err, p.Close())
}

// quiesce lets the backend announce that the pool is going to drain. Who calls Shutdown
// meanwhile does not wait for that, and drains it.
func (p *Pool[C]) quiesce(ctx context.Context) {
	if p.cfg.Announce == nil {
		return
	}
	p.mu.Lock()
	first := !p.ledger.quiet && !p.ledger.draining
	told := p.explain(p.ledger.quiesce())
	p.mu.Unlock()
	tell(told)
	if !first {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	p.announce(ctx)
}

// lingering is a call of Config.Linger.
type lingering struct {
	end  context.CancelFunc
	over chan struct{} // closed by linger when the call has ended
}

// linger lets the backend see that what was written arrives, once, and not in a pool that
// has been closed. Who calls Shutdown meanwhile waits for that, and Close ends it.
func (p *Pool[C]) linger(ctx context.Context) {
	if p.cfg.Linger == nil {
		return
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	p.mu.Lock()
	l, closed := p.lingering, p.closed
	first := l == nil && !closed
	if first {
		l = &lingering{end, make(chan struct{})}
		p.lingering = l
	}
	p.mu.Unlock()
	switch {
	case first:
		defer close(l.over)
		p.callLinger(ctx)
	case !closed:
		select {
		case <-l.over:
		case <-ctx.Done():
		}
	}
}

// Close closes the pool now: it refuses whoever waits or comes with [ErrClosed],
// and shuts every member, idle or on loan. It returns after the pool's last
// goroutine, with the error of [Config.Closed]; a second call does the same. It
// must not be called from a callback of the pool.
func (p *Pool[C]) Close() error {
	p.drain()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.done
		return p.closeErr
	}
	p.closed = true
	gone, l := p.ledger.seize(), p.lingering
	p.mu.Unlock()
	if l != nil {
		l.end()
		<-l.over
	}
	each(gone, p.bury)
	<-p.empty
	p.work.Wait()
	defer close(p.done)
	p.callClosed(&p.closeErr)
	return p.closeErr
}

// drain ends hand-outs, dials and accepting, and begins to shut what is idle. Calls
// after the first do nothing.
func (p *Pool[C]) drain() {
	p.mu.Lock()
	waiters := p.drained()
	p.mu.Unlock()
	p.cancel()
	tell(waiters)
}

// drained is drain under mu. The caller unlocks, cancels the pool's context and tells
// the waiters.
func (p *Pool[C]) drained() []*waiter[C] {
	gone, waiters := p.ledger.drain()
	p.checkEmpty()
	p.buryLater(gone...)
	return p.explain(waiters)
}

// checkEmpty notes, under mu, that a draining pool has become empty.
func (p *Pool[C]) checkEmpty() {
	if !p.ledger.draining || !p.ledger.empty() {
		return
	}
	select {
	case <-p.empty:
	default:
		close(p.empty)
	}
}
