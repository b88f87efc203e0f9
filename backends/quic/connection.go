package quic

import (
	"context"
	"net"
	"sync"

	quicgo "github.com/quic-go/quic-go"
)

// connection is one QUIC connection of either end, with what is under way and what
// is idle on it.
type connection struct {
	*quicgo.Conn

	local, remote net.Addr // as they were when it was made
	guest         *guest   // nil where we dialled
	exchanges     exchanges
	roster        roster
	pulse         pulse

	beaten func(quicgo.ConnectionStats) // called at each beat; may be nil, as may silent
	silent func()                       // called when the peer is suspected

	// What its streams have in common, set before there are any.
	preface     int64         // bytes of the ID exchange in the receive direction
	partings    *alarms       // set in a compatibility pool, where Close is gentle
	peer        func() string // the peer's name; it is found when it is first asked for
	streamEnded func()        // called once for each, when both its halves have been ended
}

// newConnection returns a connection whose pulse is yet to be started.
func newConnection(conn *quicgo.Conn, preface int64, partings *alarms) *connection {
	c := &connection{
		Conn:     conn,
		local:    conn.LocalAddr(),
		remote:   conn.RemoteAddr(),
		preface:  preface,
		partings: partings,
	}
	c.peer = sync.OnceValue(c.remote.String)
	c.exchanges.delay = exchangeTimeout
	context.AfterFunc(conn.Context(), func() {
		c.pulse.stop()
		c.exchanges.forget()
		c.roster.dismiss()
	})
	return c
}

// usable reports whether the connection is alive, as far as is known, and from where
// it may be.
func (c *connection) usable() bool {
	return !c.pulse.suspected.Load() && c.Context().Err() == nil && c.guest.welcome()
}

// suspect takes the connection out of use, because nothing comes back from the peer:
// idle streams leave the pool, and exchanges under way end.
func (c *connection) suspect() {
	c.pulse.suspected.Store(true)
	c.exchanges.ringNow()
	c.roster.dismiss()
	if c.silent != nil {
		c.silent()
	}
}

// trust takes it into use again.
func (c *connection) trust() {
	c.pulse.suspected.Store(false)
	c.roster.reopen()
	if c.Context().Err() != nil {
		c.roster.dismiss() // it has ended meanwhile
	}
}
