package quic

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// carrier is the connection of one shard, set up when a stream first needs it and
// again when it has died. All dials of the shard share one attempt.
type carrier struct {
	dialer *dialer              // set by newDialer
	link   atomic.Pointer[link] // the connection that works, or did; nil before the first

	mu      sync.Mutex // also held while link is set
	attempt *attempt   // guarded by mu: the one under way, or nil
	stopped bool       // guarded by mu: the dialer is closed
}

// attempt is a connection being set up.
type attempt struct {
	done chan struct{} // closed by the attempt's goroutine when it is over
	link *link         // set before done is closed, as is err
	err  error
	even bool // it is made so that streams move to it; guarded by the carrier's mu
}

// connection returns the shard's connection. ctx bounds the wait, not the attempt:
// that one serves the dials that come later too.
func (c *carrier) connection(ctx context.Context) (*link, error) {
	if l := c.link.Load(); l.alive() && !l.ending.Load() {
		return l, nil
	}
	c.mu.Lock()
	if l := c.link.Load(); l.alive() && !l.ending.Load() {
		c.mu.Unlock()
		return l, nil
	}
	a := c.begin()
	c.mu.Unlock()
	if a == nil {
		return nil, net.ErrClosed
	}

	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// begin returns, under mu, the attempt under way. It begins one if there is none, and
// returns nil when the dialer is closed.
func (c *carrier) begin() *attempt {
	if c.attempt == nil && !c.stopped {
		if dead := c.link.Load(); !dead.alive() && dead != nil {
			dead.over() // so that where it led is known before the next is chosen
		}
		a := &attempt{done: make(chan struct{})}
		c.attempt = a
		c.dialer.work.Go(func() { c.connect(a) }) // ends with the dialer's context
	}
	return c.attempt
}

func (c *carrier) connect(a *attempt) {
	leave, err := c.dialer.enter()
	if err != nil {
		c.settle(a, nil, err)
		return
	}
	defer leave()
	made, err := c.dialer.connect()
	if err != nil {
		c.settle(a, nil, err)
		return
	}
	l := newLink(c, made)
	c.settle(a, l, nil)
	l.establish(c.dialer.ctx)
}

// settle ends an attempt. The connection that it made takes the place of one that
// still works, if there is one.
func (c *carrier) settle(a *attempt, l *link, err error) {
	c.mu.Lock()
	c.attempt = nil
	old := c.link.Load()
	if err == nil {
		c.link.Store(l)
	}
	c.mu.Unlock()
	a.link, a.err = l, err
	close(a.done)
	switch {
	case a.even && err == nil:
		c.dialer.even()
	case !old.alive():
	case err == nil:
		old.leave()
	case c.dialer.maxAge > 0 || old.astray.Load():
		old.renewIn(renewalRetry)
	}
}

// renew replaces a connection that works. It stays in use until the new one is.
func (c *carrier) renew(old *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link.Load() == old && old.alive() {
		c.begin()
	}
}

// extend makes a connection where there is none, for streams of the others.
func (c *carrier) extend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.link.Load().alive() && c.attempt == nil && !c.stopped {
		c.begin().even = true
	}
}

// stop makes sure that no attempt begins any more.
func (c *carrier) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
}
