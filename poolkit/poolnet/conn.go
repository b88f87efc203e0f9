package poolnet

import (
	"io"
	"net"
	"syscall"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// conn is a lease as a connection. Close ends it.
type conn[C net.Conn] struct {
	use
	lease poolkit.Lease[C]
}

// What a member may be able to do beyond a net.Conn. Libraries ask for these by type
// assertion and do something else where they are missing, so a conn claims no more
// than its member has.
type (
	halfCloser interface{ CloseWrite() error }
	socket     interface {
		halfCloser
		syscall.Conn
	}
)

// lend makes a connection of a lease, and returns it as what it can do, too. Close then
// returns the member to the pool, if it is fit, or ends it.
func lend[C net.Conn](l poolkit.Lease[C], returns bool) (net.Conn, *conn[C]) {
	member := net.Conn(l.Conn())
	if s, ok := member.(socket); ok {
		// Where this fails what is read is not what the socket carries, as with TLS.
		if raw, err := s.SyscallConn(); err == nil {
			c := &socketConn[C]{halfConn[C]{conn[C]{use{member: member, counts: returns}, l}}, rawConn{raw: raw}}
			c.raw.use = &c.use
			return c, &c.conn
		}
	}
	if _, ok := member.(halfCloser); ok {
		c := &halfConn[C]{conn[C]{use{member: member, counts: returns}, l}}
		return c, &c.conn
	}
	c := &conn[C]{use{member: member, counts: returns}, l}
	return c, c
}

// Close ends the use of the member. Calls under way fail, since the member is shut: a
// reader may wait for an answer that must not reach the next user.
func (c *conn[C]) Close() error {
	was := c.state.Or(closed)
	switch {
	case was&closed != 0:
	case c.counts && was&^timed == 0 && c.untime(was):
		c.lease.Release()
	default:
		c.lease.Discard()
	}
	return nil
}

// untime removes the deadlines that the member may have, and reports whether it could.
func (c *conn[C]) untime(state uint32) bool {
	return state&timed == 0 || c.member.SetDeadline(time.Time{}) == nil
}

// halfConn is a conn whose member can end its sending half.
type halfConn[C net.Conn] struct{ conn[C] }

func (c *halfConn[C]) CloseWrite() error {
	if !c.begin() {
		return c.closedError("close")
	}
	c.state.Or(spoiled)
	return c.end("close", c.member.(halfCloser).CloseWrite())
}

// socketConn is a conn whose member is a socket, which the kernel may be able to copy
// to and from by itself.
type socketConn[C net.Conn] struct {
	halfConn[C]
	raw rawConn
}

func (c *socketConn[C]) ReadFrom(r io.Reader) (int64, error) { return c.readFrom(r) }
func (c *socketConn[C]) WriteTo(w io.Writer) (int64, error)  { return c.writeTo(w) }

func (c *socketConn[C]) SyscallConn() (syscall.RawConn, error) {
	if c.state.Load()&closed != 0 {
		return nil, c.closedError("raw-control")
	}
	return &c.raw, nil
}
