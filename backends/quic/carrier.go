package quic

import (
	"context"
	"sync"
	"sync/atomic"

	quicgo "github.com/quic-go/quic-go"
)

// carrier is the connection of one shard, set up when a stream first needs it and
// again when it has died. All dials of the shard share one attempt.
type carrier struct {
	dialer *dialer              // set by newDialer
	link   atomic.Pointer[link] // the connection that works, or did; nil before the first

	mu      sync.Mutex // also held while link is set
	attempt *attempt   // guarded by mu: the one under way, or nil
}

// attempt is a connection being set up.
type attempt struct {
	done chan struct{} // closed by the attempt's goroutine when it is over
	link *link         // set before done is closed, as is err
	err  error
}

// connection returns the shard's connection. ctx bounds the wait, not the attempt:
// that one serves the dials that come later too.
func (c *carrier) connection(ctx context.Context) (*link, error) {
	if l := c.link.Load(); l.alive() {
		return l, nil
	}
	c.mu.Lock()
	if l := c.link.Load(); l.alive() {
		c.mu.Unlock()
		return l, nil
	}
	a := c.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		c.attempt = a
		c.dialer.work.Go(func() { c.connect(a) }) // ends with the dialer's context
	}
	c.mu.Unlock()

	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *carrier) connect(a *attempt) {
	leave, err := c.dialer.enter()
	if err != nil {
		c.settle(a, nil, err)
		return
	}
	defer leave()
	conn, err := c.dialer.connect()
	c.settle(a, conn, err)
	if err == nil {
		a.link.establish(c.dialer.ctx)
	}
}

// settle ends the attempt: the connection can be used.
func (c *carrier) settle(a *attempt, conn *quicgo.Conn, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempt = nil
	if a.err = err; err == nil {
		a.link = newLink(conn)
		c.link.Store(a.link)
	}
	close(a.done)
}

func (c *carrier) close() {
	if l := c.link.Load(); l != nil {
		l.close()
	}
}
