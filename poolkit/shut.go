package poolkit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// shutting is how many members are shut at once when many are: closing a
// connection may wait for a peer that does not answer.
const shutting = 16

// bury shuts a member that the ledger has marked as closing, and frees its place.
func (p *Pool[C]) bury(m *member[C]) {
	err := p.callShut(m)
	var panicked *PanicError
	if errors.As(err, &panicked) {
		p.hookFailed(m.shard, err)
	}
	p.leave(m)
}

// leave gives back the place of a member that is closing. That comes last, so that
// Close returns after the hook.
func (p *Pool[C]) leave(m *member[C]) {
	if m.joined {
		p.hookLeft(m, m.why)
	}
	p.mu.Lock()
	p.ledger.free(m)
	tickets := p.order()
	p.checkEmpty()
	p.mu.Unlock()
	p.dialAll(tickets)
}

// buryIdle buries members that stood idle until the ledger marked them.
func (p *Pool[C]) buryIdle(ms []*member[C]) {
	for _, m := range ms {
		p.unwatch(m)
	}
	p.buryAll(ms)
}

// buryLater, called under mu, does the same on a goroutine of the pool, which Close
// waits for.
func (p *Pool[C]) buryLater(ms ...*member[C]) {
	if len(ms) > 0 {
		p.work.Go(func() { p.buryIdle(ms) })
	}
}

// buryAll buries many members, several at once.
func (p *Pool[C]) buryAll(ms []*member[C]) {
	if len(ms) == 1 {
		p.bury(ms[0])
		return
	}
	var g errgroup.Group
	g.SetLimit(shutting)
	for _, m := range ms {
		g.Go(func() error {
			p.bury(m)
			return nil
		})
	}
	_ = g.Wait() // bury reports its own errors
}

// lose is called by a member's watch: the member has ended by itself. It does not
// block. The goroutine ends when the member is shut; Close waits for it.
func (m *member[C]) lose() {
	p := m.pool
	p.mu.Lock()
	if !p.ledger.lose(m) {
		p.mu.Unlock()
		return // somebody has it, and will find out when stopping the watch
	}
	m.stop = nil // the watch is over
	p.buryLater(m)
	p.disturb()
	// A peer that ends whatever is opened is dialled at the pace of failures.
	young := !m.accepted && time.Since(m.made) < proveFor
	var told []*waiter[C]
	if young {
		p.ledger.doubt = true
		told = p.fail(m.shard, false, ErrLost)
	}
	tickets := p.order()
	p.mu.Unlock()
	tell(told)
	p.dialAll(tickets)
	if young {
		p.hookFailed(m.shard, ErrLost)
	}
}

// Flush shuts every idle member. Those on loan are not touched, but are shut
// instead of returning to idle; those on their way are shut on arrival. The pool
// fills again at once.
func (p *Pool[C]) Flush() {
	p.mu.Lock()
	gone := p.ledger.flush()
	p.disturb()
	tickets := p.order()
	p.mu.Unlock()
	p.dialAll(tickets)
	p.buryIdle(gone)
}

// Shutdown drains the pool: it stops dialling and accepting, refuses whoever waits
// or comes with [ErrClosed], shuts what is idle, and waits until every lease has
// ended. If ctx ends first, the members still on loan are shut too, and the error
// says so. Like Close it returns after the pool's last goroutine.
func (p *Pool[C]) Shutdown(ctx context.Context) error {
	p.drain()
	select {
	case <-p.empty:
		return p.Close()
	case <-ctx.Done():
	}
	var err error
	if n := p.Stats().OnLoan; n > 0 {
		err = fmt.Errorf("poolkit: shutdown: %w (%d members on loan were closed)", whyEnded(ctx), n)
	}
	return errors.Join(err, p.Close())
}

// Close closes the pool now: it refuses whoever waits or comes with [ErrClosed],
// and shuts every member, idle or on loan. It returns after the pool's last
// goroutine, with the error of [Config.Closed]; a second call does the same. It
// must not be called from a callback of the pool.
func (p *Pool[C]) Close() error {
	p.drain()
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	gone := p.ledger.seize()
	p.mu.Unlock()
	if !first {
		<-p.done
		return p.closeErr
	}
	p.buryAll(gone)
	<-p.empty
	p.work.Wait()
	p.closeErr = p.callClosed()
	close(p.done)
	return p.closeErr
}

// drain ends hand-outs, dials and accepting, and begins to shut what is idle. Calls
// after the first do nothing.
func (p *Pool[C]) drain() {
	p.mu.Lock()
	gone, waiters := p.ledger.drain()
	p.checkEmpty()
	p.buryLater(gone...)
	p.mu.Unlock()
	p.cancel()
	tell(waiters)
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
