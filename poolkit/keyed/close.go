package keyed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Shutdown drains all keys: it refuses whoever waits or comes with [poolkit.ErrClosed],
// shuts what is idle, and waits until every lease has ended. If ctx ends first, the
// members still on loan are shut too, and the error says so. Like Close it returns after
// the last goroutine.
func (p *Pool[K, C]) Shutdown(ctx context.Context) error {
	p.refuse()
	done := make(chan struct{})
	go func() { // ends with work, which is waited for below
		p.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		p.cancel(whyEnded(ctx))
		<-done
	}
	return p.end()
}

// Close closes all keys now: it refuses whoever waits or comes with
// [poolkit.ErrClosed], and shuts every member, idle or on loan. It returns after the last
// goroutine, with the errors of [poolkit.Config.Closed]; a second call does the same. It
// must not be called from a callback.
func (p *Pool[K, C]) Close() error {
	p.refuse()
	p.mu.Lock()
	var closing sync.WaitGroup
	for e := range p.parting {
		closing.Go(func() { _ = e.pool.Close() }) // bury gets the error
	}
	p.mu.Unlock()
	closing.Wait()
	p.cancel(poolkit.ErrClosed)
	p.work.Wait()
	return p.end()
}

// refuse ends all use. The pools that are open begin to part.
func (p *Pool[K, C]) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	close(p.quit)
	for _, e := range p.entries {
		if e.state == open {
			p.part(e)
		}
	}
}

// end returns what went wrong, when all work has ended.
func (p *Pool[K, C]) end() error {
	p.cancel(poolkit.ErrClosed)
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.errs...)
}

// part ends the use of an entry, under mu. Whoever makes its pool now sees it when that
// is made; an open one is closed by a goroutine that ends when its leases have, or when
// ctx does.
func (p *Pool[K, C]) part(e *entry[K, C]) {
	was := e.state
	e.state = parting
	if was != open {
		return
	}
	p.order.remove(e)
	p.parting[e] = struct{}{}
	p.work.Go(func() { p.bury(e) })
}

// lingerFor bounds how long a pool that nobody used may take for its farewell. Until then
// its key has no other.
const lingerFor = 2 * time.Second

// bury waits until the leases of a pool have ended, and closes it.
func (p *Pool[K, C]) bury(e *entry[K, C]) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	defer time.AfterFunc(lingerFor, func() {
		if e.pool.Stats().OnLoan == 0 { // and nobody is lent one any more
			cancel()
		}
	}).Stop()
	p.finish(e, e.pool.Shutdown(ctx))
}

// finish takes the entry of a closed pool out of the books.
func (p *Pool[K, C]) finish(e *entry[K, C], err error) {
	if err != nil {
		err = fmt.Errorf("keyed: close the pool of %v: %w", e.key, err)
	}
	p.mu.Lock()
	delete(p.parting, e)
	if p.entries[e.key] == e {
		delete(p.entries, e.key)
	}
	if p.closed && err != nil {
		p.errs = append(p.errs, err)
	}
	p.mu.Unlock()
	close(e.gone)
	p.hookClosed(e.key, err)
}
