package tcp

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// meeting is what a connection of a rendezvous pool has beside. It is lent once, and bytes
// that arrive while it is idle are no fault: the peer has taken it first, and they are to
// be read. Conn.mu guards what has no other guard.
type meeting struct {
	id     poolkit.ID // from the exchange
	peer   string     // what the peer is called
	gentle *gentle    // how it closes in a compatibility pool; nil elsewhere

	flushing atomic.Bool // the end has been said, and waits for room in the socket

	taken    bool        // it has been lent
	finished time.Time   // when the peer had ended it, or one half of it, after some bytes; zero before
	alarm    *time.Timer // rings while it is idle and finished
}

func newMeeting(id poolkit.ID, peer string, closesGently bool) *meeting {
	m := &meeting{id: id, peer: peer}
	if closesGently {
		m.gentle = new(gentle)
	}
	return m
}

// gentle returns how the connection closes gently, or nil if it does not.
func (c *Conn) gentle() *gentle {
	if c.meeting == nil {
		return nil
	}
	return c.meeting.gentle
}

// reader and writer are a connection without the methods by which [io.Copy] would do
// without its Read and Write.
type (
	reader struct{ io.Reader }
	writer struct{ io.Writer }
)

// askedFor is how long a connection that the peer has taken and ended is kept for who
// asks for its ID, which may be on its way.
const askedFor = time.Minute

// left is Conn.left. A connection that the peer has ended without a byte is over. After
// some bytes it is lent by its ID only, and for a while: to take it otherwise would be to
// talk to nobody.
func (m *meeting) left(c *Conn) {
	c.mu.Lock()
	if m.taken { // who has it will find out, unless it has been closed
		over := m.gentle != nil && m.gentle.left(c)
		c.mu.Unlock()
		if over {
			_ = c.endAll()
		}
		return
	}
	w := c.watcher
	if m.dead(c) {
		m.part(c)
		c.mu.Unlock()
		if w != nil {
			w.Gone()
		}
		return
	}
	if w != nil {
		m.expect(c, time.Second)
	}
	c.mu.Unlock()
	if w != nil {
		w.Leaving()
	}
}

// dead reports, with c.mu held, whether an idle connection whose peer has ended it, or one
// half of it, is of no use to anybody.
func (m *meeting) dead(c *Conn) bool {
	if c.gone || c.empty() || c.socket.broken() {
		c.gone = true
		return true
	}
	if m.finished.IsZero() {
		m.finished = time.Now()
	}
	return false
}

// expect sets the alarm of an idle connection that has finished, with c.mu held.
func (m *meeting) expect(c *Conn, wait time.Duration) {
	if m.alarm == nil {
		m.alarm = time.AfterFunc(wait, func() { m.ring(c) })
	} else {
		m.alarm.Reset(wait)
	}
}

// ring looks whether a connection has been asked for long enough. The pool is told again
// that it is leaving: it forgets what it is told of a connection that is just arriving.
func (m *meeting) ring(c *Conn) {
	c.mu.Lock()
	w := c.watcher
	if w == nil { // it has been lent, or is gone
		c.mu.Unlock()
		return
	}
	over := time.Since(m.finished) >= askedFor
	if over {
		c.gone = true
		m.part(c)
	} else {
		m.expect(c, time.Second)
	}
	c.mu.Unlock()
	if over {
		w.Gone()
	} else {
		w.Leaving()
	}
}

// part ends the watch, with c.mu held.
func (m *meeting) part(c *Conn) {
	c.watcher = nil
	if m.alarm != nil {
		m.alarm.Stop()
	}
}

// attend is watch for a connection of a rendezvous pool.
func attend(c *Conn, w poolkit.Watcher) (stop func() bool) {
	m := c.meeting
	c.mu.Lock()
	gone := c.gone
	if !gone {
		c.watcher = w
		if !m.finished.IsZero() {
			m.expect(c, time.Millisecond) // when it will have arrived
		}
	}
	c.mu.Unlock()
	if gone {
		w.Gone()
	}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		m.part(c)
		return !c.gone
	}
}

// fit is healthy for a connection of a rendezvous pool.
func fit(c *Conn) bool {
	if c.socket == nil {
		return true
	}
	if s := c.socket.look(); s == quiet || s == waiting && c.socket.open() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.meeting.dead(c)
}

// sayEnd tells the peer that nothing more will be written, of TLS and of TCP. It does not
// wait for room in the socket.
func (c *Conn) sayEnd() error {
	half, ok := c.transport().(interface{ CloseWrite() error })
	if c.secure == nil {
		if !ok {
			return c.opError("close", errors.ErrUnsupported)
		}
		return half.CloseWrite()
	}
	if ok && c.wire != nil && c.socket != nil {
		c.wire.postpones.Store(true)
	}
	if err := c.secure.CloseWrite(); err != nil || !ok {
		return err
	}
	if c.wire == nil || len(c.wire.postponed) == 0 {
		return half.CloseWrite()
	}
	_ = c.raw.SetWriteDeadline(time.Time{}) // TLS has set one
	c.meeting.flushing.Store(true)
	// It ends when the peer has made room, at the latest when the connection is closed.
	go func() {
		_, _ = c.raw.Write(c.wire.postponed)
		_ = half.CloseWrite()
		c.meeting.flushing.Store(false)
	}()
	return nil
}

// transport returns what TLS runs on, where there is TLS, and else the connection itself.
func (c *Conn) transport() net.Conn {
	if c.secure != nil && c.wire == nil { // it is not our TLS
		return c.secure.NetConn()
	}
	return c.raw
}

// Abort ends both directions at once. What the peer has not received yet may be lost, and
// the peer's reads fail.
func (c *Conn) Abort() error {
	if !c.claim() {
		return nil
	}
	c.depart()
	reset(c.transport()) // without a word of TLS, which would be a clean end
	c.endLease()
	return nil
}
