package tcp

import (
	"errors"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// watch lets w know when an idle connection ends.
func watch(c *Conn, w poolkit.Watcher) (stop func() bool) {
	if c.timed.Swap(false) {
		_ = c.stream.SetDeadline(time.Time{}) // fails only where it has been closed
	}
	c.mu.Lock()
	c.watcher = w
	gone := c.gone
	c.mu.Unlock()
	if gone {
		w.Gone()
	}
	return c.stop
}

// unwatch ends the watch. It reports false when the connection has ended.
func (c *Conn) unwatch() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watcher = nil
	return !c.gone
}

// watched reports whether the connection is idle.
func (c *Conn) watched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.watcher != nil
}

// left notes that the peer has ended the connection, or one half of it.
func (c *Conn) left() {
	if c.meeting != nil {
		c.meeting.left(c)
		return
	}
	c.mu.Lock()
	c.gone = true
	w := c.watcher
	c.watcher = nil
	c.mu.Unlock()
	if w != nil {
		w.Gone()
	}
}

// healthy reports whether a connection that nobody has may be lent.
func healthy(c *Conn) bool {
	if c.busy.Load() != 0 || c.spoiled.Load() {
		return false
	}
	s := quiet
	if c.socket != nil {
		s = c.socket.look()
	}
	switch {
	case s == ended:
		return false
	case !c.used.Load(): // what waits is for the first user: a greeting, as HTTP/2 has
		return s == quiet || c.socket.open()
	case c.secure == nil:
		return s == quiet
	case s == quiet && !c.dirty.Load():
		return true
	}
	c.dirty.Store(false)
	return c.drain()
}

// drain lets TLS take in what has arrived. It reports false when that was more than
// TLS's own business: bytes that nobody has asked for or read, or the end. What is half of a
// record may become that.
func (c *Conn) drain() bool { return errors.Is(c.lastWord(), errWouldWait) && !c.wire.inRecord() }

// lastWord reads what has arrived, and returns the error that it ends in. If bytes that
// are the application's have, it is nil.
func (c *Conn) lastWord() error {
	c.wire.hasty.Store(true)
	defer c.wire.hasty.Store(false)
	_, err := c.secure.Read(c.scrap[:])
	return err
}
