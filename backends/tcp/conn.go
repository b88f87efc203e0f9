package tcp

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Conn is a pooled TCP or TLS connection. It is a [net.Conn]; any goroutine may call
// its methods at any time.
//
// Close ends the connection and its lease. [poolkit.Lease.Release] gives it back for
// the next. It is then ended instead if it is in no state to be used again: if a read
// or write has failed, timed out or is still under way, if one direction has been
// closed, or if the peer has sent more than was read.
type Conn struct {
	raw    net.Conn  // the socket, or what stands for it
	secure *tls.Conn // on raw; nil without TLS
	stream net.Conn  // the one of the two that carries what users write

	busy    atomic.Int32 // reads and writes under way
	spoiled atomic.Bool  // must not be used again
	used    atomic.Bool  // somebody has had it, so that nothing may have arrived unasked
	timed   atomic.Bool  // somebody has set a deadline

	mu      sync.Mutex
	lease   poolkit.Lease[*Conn] // guarded by mu, as is all that follows
	watcher poolkit.Watcher      // while it is idle
	gone    bool                 // the peer has ended it
	shut    bool                 // it has been closed, or is about to be

	stop func() bool // unwatch, made once
}

var _ net.Conn = (*Conn)(nil)

// newConn makes a Conn of a connection that is set up. secure runs on raw; nil is
// plain TCP.
func newConn(raw net.Conn, secure *tls.Conn) (*Conn, error) {
	c := &Conn{raw: raw, secure: secure, stream: raw}
	if secure != nil {
		c.stream = secure
	}
	c.stop = c.unwatch
	return c, nil
}

// LocalAddr returns the local address.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// ConnectionState returns the state of TLS, and whether there is any.
func (c *Conn) ConnectionState() (state tls.ConnectionState, ok bool) {
	if c.secure == nil {
		return tls.ConnectionState{}, false
	}
	return c.secure.ConnectionState(), true
}

// ID returns the ID of the connection in its pool. It is a name, not a secret.
func (c *Conn) ID() poolkit.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lease.ID()
}

// NetConn returns what the connection is made of: a [*tls.Conn], or without TLS what
// was dialled, a [*net.TCPConn] as a rule. It is for who has hijacked the lease: the
// connection is not used again once it has been called.
func (c *Conn) NetConn() net.Conn {
	c.spoiled.Store(true)
	return c.stream
}

// SyscallConn returns the socket, for its options.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	s, ok := c.raw.(syscall.Conn)
	if !ok {
		return nil, c.opError("raw-control", errors.ErrUnsupported)
	}
	return s.SyscallConn()
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	c.busy.Add(1)
	defer c.busy.Add(-1)
	n, err := c.stream.Read(p)
	if err != nil {
		c.spoiled.Store(true)
	}
	return n, err
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	c.busy.Add(1)
	defer c.busy.Add(-1)
	n, err := c.stream.Write(p)
	if err != nil {
		c.spoiled.Store(true)
	}
	return n, err
}

// SetDeadline implements [net.Conn]. Deadlines end with the lease.
func (c *Conn) SetDeadline(t time.Time) error {
	c.timed.Store(true)
	return c.stream.SetDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.timed.Store(true)
	return c.stream.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.timed.Store(true)
	return c.stream.SetWriteDeadline(t)
}

// CloseWrite says that no more will be written: the peer reads [io.EOF] after what has
// been. Reading goes on.
func (c *Conn) CloseWrite() error {
	c.spoiled.Store(true)
	half, ok := c.stream.(interface{ CloseWrite() error })
	if !ok {
		return c.opError("close", errors.ErrUnsupported)
	}
	return half.CloseWrite()
}

// Close ends the connection, and with it the lease: reads and writes under way return
// at once. Closing again does nothing.
func (c *Conn) Close() error {
	if !c.claim() {
		return nil
	}
	err := c.stream.Close()
	c.mu.Lock()
	l := c.lease
	c.mu.Unlock()
	l.Hijack() // it has been closed already
	return err
}

// end is how a pool shuts a connection.
func (c *Conn) end() error {
	if !c.claim() {
		return nil
	}
	return c.stream.Close()
}

// claim makes the caller the one who ends the connection. It reports false when
// somebody else is.
func (c *Conn) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return false
	}
	c.shut = true
	return true
}

// lent tells the connection of its lease, which ends with it.
func (c *Conn) lent(l poolkit.Lease[*Conn]) {
	c.used.Store(true)
	c.mu.Lock()
	c.lease = l
	c.mu.Unlock()
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
