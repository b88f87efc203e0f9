package tcp

import (
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// watch lets w know when an idle connection ends.
func watch(c *Conn, w poolkit.Watcher) (stop func() bool) {
	if c.timed.Swap(false) {
		_ = c.stream.SetDeadline(time.Time{}) // fails only when it is closed
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

// healthy reports whether a connection that nobody has may be lent.
func healthy(c *Conn) bool { return c.busy.Load() == 0 && !c.spoiled.Load() }
