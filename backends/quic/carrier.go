package quic

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
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
	conn, err := c.dialer.connect()
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

// link is one connection we dialled and the count of its streams.
type link struct {
	*connection

	retired atomic.Bool // it is closed, or about to be; set under mu

	mu      sync.Mutex
	streams int         // guarded by mu, as is the rest: open ones
	lastEnd time.Time   // when one last ended
	vacant  *time.Timer // closes the connection once it has carried no stream for a while

	// The context of those who wait for the peer to give back places, and when it was
	// made. An earlier one, that others still use, ends by its time.
	waiting      context.Context
	waitingSince time.Time
	endWait      context.CancelFunc
}

func newLink(conn *quicgo.Conn) *link {
	l := &link{connection: newConnection(conn)}
	l.vacant = time.AfterFunc(vacancy, l.retire)
	return l
}

// alive reports whether there is a connection and it can take more streams.
func (l *link) alive() bool {
	return l != nil && !l.retired.Load() && l.Context().Err() == nil
}

// open opens a stream. Where the peer grants no more it returns
// [poolkit.ErrShardFull]: at once when that is the peer's limit, and after a short
// wait when streams have just ended, whose places the peer has yet to give back. It
// does the same when the connection is not to be used.
func (l *link) open(ctx context.Context) (*quicgo.Stream, error) {
	if !l.usable() {
		return nil, poolkit.ErrShardFull
	}
	settling, ok := l.begun()
	if !ok {
		return nil, poolkit.ErrShardFull // the next dial makes a new connection
	}
	s, err := l.OpenStream()
	var limit *quicgo.StreamLimitReachedError
	if errors.As(err, &limit) {
		err = poolkit.ErrShardFull
		if wait := l.creditDelay(); settling < wait {
			s, err = l.openSync(ctx, wait)
		}
	}
	if err != nil {
		l.ended()
	}
	return s, err
}

// openSync opens a stream as soon as the peer gives back a place.
func (l *link) openSync(ctx context.Context, wait time.Duration) (*quicgo.Stream, error) {
	ctx = l.credit(ctx, wait)
	s, err := l.OpenStreamSync(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return s, err
}

// credit returns a context that ends with ctx or, because of [poolkit.ErrShardFull],
// after wait. Those who begin to wait at about the same time share one. ctx must be
// the same in every call.
func (l *link) credit(ctx context.Context, wait time.Duration) context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.waiting == nil || now.Sub(l.waitingSince) > wait/4 {
		l.waitingSince = now
		l.waiting, l.endWait = context.WithTimeoutCause(ctx, wait, poolkit.ErrShardFull)
	}
	return l.waiting
}

// creditDelay is how long the peer may take to give back the place of a stream that
// has ended. Two round trips do it on a good day.
func (l *link) creditDelay() time.Duration {
	return 4*l.ConnectionStats().SmoothedRTT + 100*time.Millisecond
}

// begun counts a stream, and returns how long ago the last one ended. It reports
// false when the connection is being given up.
func (l *link) begun() (settling time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired.Load() {
		return 0, false
	}
	if l.streams == 0 {
		l.vacant.Stop()
	}
	l.streams++
	return time.Since(l.lastEnd), true
}

// ended counts a stream out.
func (l *link) ended() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastEnd = time.Now()
	if l.streams--; l.streams == 0 && !l.retired.Load() {
		l.vacant.Reset(vacancy)
	}
}

// retire closes a connection that has carried no stream for a while. It runs on the
// timer's goroutine.
func (l *link) retire() {
	l.mu.Lock()
	if l.streams > 0 {
		l.mu.Unlock()
		return
	}
	l.retired.Store(true)
	l.mu.Unlock()
	_ = l.CloseWithError(codeDone, "no longer needed") // always nil
}

// close ends the connection.
func (l *link) close() {
	l.mu.Lock()
	l.retired.Store(true)
	l.vacant.Stop()
	if l.endWait != nil {
		l.endWait()
	}
	l.mu.Unlock()
	_ = l.CloseWithError(codeDone, "pool closed") // always nil
}
