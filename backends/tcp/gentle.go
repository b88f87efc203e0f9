package tcp

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// How long a gentle Close waits for the peer.
const (
	readWithin = time.Second // for somebody here to read
	byteWithin = time.Minute // for a byte, while somebody reads; and for the peer to take what was written
)

// gentle is the close of a connection of a compatibility pool: it ends the writing, and
// gives the reading the time to end by itself. Conn.mu guards what has no other guard.
type gentle struct {
	writing sync.Mutex  // held during a write, and by whoever ends the writing
	cut     bool        // a write was cut short by our own close; guarded by writing
	noMore  atomic.Bool // writing has ended, or is about to; set under Conn.mu

	readers  int         // reads under way
	ended    bool        // a reader has seen the end
	timer    *time.Timer // set when the close begins; rings when it may be over
	lastRead time.Time   // when a read returned last, or the close began
	lastByte time.Time   // the same of reads that brought something
	deaf     bool        // the time for reading is over: what arrives is dropped

	unsent int       // bytes that the peer had yet to take when that was looked at last
	moved  time.Time // when it last took some
}

// read is Conn.Read.
func (g *gentle) read(c *Conn, p []byte) (int, error) {
	c.mu.Lock()
	if c.shut || g.deaf {
		c.mu.Unlock()
		return 0, c.opError("read", net.ErrClosed)
	}
	g.readers++
	c.mu.Unlock()
	n, err := c.receive(p)
	return n, g.readEnds(c, n, err)
}

// readEnds ends the close if the reader has seen the end. It returns the reader's error.
func (g *gentle) readEnds(c *Conn, n int, err error) error {
	c.mu.Lock()
	g.readers--
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded) && !g.deaf:
	case c.shut || g.deaf:
		err = c.opError("read", net.ErrClosed)
	default:
		g.ended = true
	}
	if g.timer != nil {
		g.lastRead = time.Now()
		if n > 0 {
			g.lastByte = g.lastRead
		}
	}
	over := g.timer != nil && g.ended
	c.mu.Unlock()
	if over {
		g.ring(c)
	}
	return err
}

// write is Conn.Write.
func (g *gentle) write(c *Conn, p []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	if g.noMore.Load() {
		return 0, c.opError("write", net.ErrClosed)
	}
	n, err := c.stream.Write(p)
	if err != nil && g.noMore.Load() {
		g.cut = true
		err = c.opError("write", net.ErrClosed)
	}
	return n, err
}

// setReadDeadline is Conn.SetReadDeadline. Once the time for reading is over, it is ours.
func (g *gentle) setReadDeadline(c *Conn, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut || g.deaf {
		return c.opError("set", net.ErrClosed)
	}
	return c.stream.SetReadDeadline(t)
}

// setWriteDeadline is Conn.SetWriteDeadline. Once writing has ended, it is ours.
func (g *gentle) setWriteDeadline(c *Conn, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return c.opError("set", net.ErrClosed)
	}
	if g.noMore.Load() {
		return nil
	}
	return c.stream.SetWriteDeadline(t)
}

// endWrites is Conn.CloseWrite. A write under way is cut short, and then the peer is told
// so instead: an end would make half a message look whole.
func (g *gentle) endWrites(c *Conn) error {
	c.mu.Lock()
	if g.noMore.Load() {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	g.noMore.Store(true)
	if g.writing.TryLock() {
		c.mu.Unlock()
	} else {
		_ = c.stream.SetWriteDeadline(time.Unix(1, 0)) // frees a writer that is stuck
		c.mu.Unlock()
		g.writing.Lock()
	}
	cut := g.cut
	g.writing.Unlock() // nobody writes any more
	if cut {
		return c.Abort()
	}
	return c.sayEnd()
}

// close is Conn.Close.
func (g *gentle) close(c *Conn) error {
	c.mu.Lock()
	if g.timer != nil || c.shut {
		c.mu.Unlock()
		return nil
	}
	g.lastRead = time.Now()
	g.lastByte = g.lastRead
	g.timer = time.AfterFunc(readWithin, func() { g.ring(c) })
	over := g.ended
	c.mu.Unlock()

	// The peer may have ended it before anybody waited for that. To look comes before our
	// own end, after which a socket that is still open does not look so.
	left := c.socket != nil && (c.socket.look() == ended || !c.socket.open())
	err := g.endWrites(c)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return c.endAll() // it has no halves
	case over:
		g.ring(c)
	case left:
		c.left()
	}
	return nil
}

// left is meeting.left for a connection that somebody has: it reports whether a close is
// over because the peer has ended the connection, too, and all has been read.
func (g *gentle) left(c *Conn) bool {
	return g.timer != nil && g.readers == 0 && (g.deaf || c.empty()) && !c.meeting.flushing.Load()
}

// ring ends a close that is over, or has had its time.
func (g *gentle) ring(c *Conn) {
	c.mu.Lock()
	wait := g.remaining(c, time.Now())
	if wait > 0 && !c.shut {
		g.timer.Reset(wait)
	}
	c.mu.Unlock()
	if wait <= 0 {
		_ = c.endAll()
	}
}

// over stops, with Conn.mu held, the alarm of a close.
func (g *gentle) over() {
	if g.timer != nil {
		g.timer.Stop()
	}
}

// remaining returns, with Conn.mu held, how long the close may still take.
func (g *gentle) remaining(c *Conn, now time.Time) time.Duration {
	wait := g.lastRead.Add(readWithin).Sub(now)
	if g.readers > 0 {
		wait = g.lastByte.Add(byteWithin).Sub(now)
	}
	if wait > 0 && !g.ended && !g.deaf {
		return wait
	}
	if c.socket == nil || g.ended && !c.meeting.flushing.Load() {
		return 0
	}
	return g.linger(c, now)
}

// linger returns, with Conn.mu held, how long to wait for the peer to take what was
// written. What arrives meanwhile is dropped: to close a socket while something unread is
// in it would make the system drop the rest of what we have written.
func (g *gentle) linger(c *Conn, now time.Time) time.Duration {
	if !g.deaf {
		g.deaf, g.moved = true, now
		_ = c.stream.SetReadDeadline(time.Unix(1, 0)) // wakes those who read
	}
	c.socket.drop()
	unsent := c.socket.unsent()
	if unsent != g.unsent {
		g.unsent, g.moved = unsent, now
	}
	if unsent == 0 && !c.meeting.flushing.Load() || now.Sub(g.moved) >= byteWithin {
		return 0
	}
	return readWithin
}
