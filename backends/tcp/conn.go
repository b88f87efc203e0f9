package tcp

import (
	"crypto/tls"
	"errors"
	"io"
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
	raw     net.Conn    // the socket, or what stands for it
	secure  *tls.Conn   // nil without TLS
	wire    *wire       // between the two; nil without TLS
	stream  net.Conn    // the one of raw and secure that carries what users write
	socket  *socket     // nil where raw shows none
	lookout *lookout    // looks at socket; nil without
	number  uint64      // the lookout's
	stop    func() bool // unwatch

	meeting *meeting // nil but in rendezvous pools

	// kept is a byte that was read to learn whether there is one. It is set only while
	// nobody else reads.
	kept atomic.Pointer[byte]

	busy    atomic.Int32 // reads and writes under way
	spoiled atomic.Bool  // must not be used again
	used    atomic.Bool  // somebody has read or written: from then on nothing may arrive unasked
	dirty   atomic.Bool  // the same, since TLS was last drained
	timed   atomic.Bool  // somebody has set a deadline
	scrap   [1]byte      // drain's

	mu      sync.Mutex
	lease   poolkit.Lease[*Conn] // guarded by mu, as is all that follows
	watcher poolkit.Watcher      // while it is idle
	onEnd   func()               // called once it is not the pool's any more
	gone    bool                 // the peer has ended it, or one half of it
	shut    bool                 // it has been closed, or is about to be
}

var _ net.Conn = (*Conn)(nil)

// newConn makes a Conn of a connection that is set up. Its TLS, unless secure is nil,
// runs on newWire(raw). From now on l looks at it, if it has a socket. Where that
// fails, raw is the caller's still.
func newConn(raw net.Conn, secure *tls.Conn, l *lookout) (*Conn, error) {
	return newPeerConn(raw, secure, nil, l)
}

// newPeerConn is newConn for a rendezvous pool, unless m is nil.
func newPeerConn(raw net.Conn, secure *tls.Conn, m *meeting, l *lookout) (*Conn, error) {
	c := &Conn{raw: raw, secure: secure, stream: raw, meeting: m}
	c.stop = c.unwatch
	if secure != nil {
		c.stream = secure
		c.wire, _ = secure.NetConn().(*wire)
		c.socket = socketOf(secure.NetConn())
	} else {
		c.socket = socketOf(raw)
	}
	if c.socket == nil {
		return c, nil
	}
	c.lookout = l
	return c, l.add(c)
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
// was dialled, a [*net.TCPConn] as a rule. Where a byte of a TLS connection had to be read
// already, to learn that there is one, it is a connection that has all methods of a
// [*tls.Conn], and whose Read begins with that byte. It is for who has hijacked the lease:
// the connection is not used again once it has been called.
func (c *Conn) NetConn() net.Conn {
	c.spoiled.Store(true)
	c.depart()
	if c.kept.Load() != nil {
		return begun{c.secure, c}
	}
	return c.stream
}

// SyscallConn returns the socket of a connection without TLS. With TLS there is none to
// see: who peeks at the socket, as database drivers do to find out whether a connection
// is alive, would take TLS's own records for an answer.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	switch s, ok := c.raw.(syscall.Conn); {
	case !ok || c.secure != nil:
		return nil, c.opError("raw-control", errors.ErrUnsupported)
	case c.socket != nil:
		return c.socket.raw, nil
	default:
		return s.SyscallConn()
	}
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if g := c.gentle(); g != nil {
		return g.read(c, p)
	}
	c.begin()
	n, err := c.receive(p)
	return n, c.done("read", err)
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	if g := c.gentle(); g != nil {
		return g.write(c, p)
	}
	c.begin()
	n, err := c.stream.Write(p)
	return n, c.done("write", err)
}

// ReadFrom implements [io.ReaderFrom], so that [io.Copy] to a plain connection may leave
// the copying to the system.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if g := c.gentle(); g != nil {
		return io.Copy(writer{c}, r)
	}
	c.begin()
	n, err := io.Copy(c.stream, r)
	return n, c.done("write", err)
}

// WriteTo implements [io.WriterTo], for the same.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	if c.gentle() != nil || c.kept.Load() != nil {
		return io.Copy(w, reader{c})
	}
	c.begin()
	n, err := io.Copy(w, c.stream)
	c.spoiled.Store(true) // it was read to its end
	return n, c.done("read", err)
}

// begin begins a read or write.
func (c *Conn) begin() {
	c.busy.Add(1)
	if !c.dirty.Load() {
		c.used.Store(true)
		c.dirty.Store(true)
	}
}

// done ends a read or write, and returns its error.
func (c *Conn) done(op string, err error) error {
	c.busy.Add(-1)
	if err == nil {
		return nil
	}
	c.spoiled.Store(true)
	c.mu.Lock()
	shut := c.shut
	c.mu.Unlock()
	if shut {
		return c.opError(op, net.ErrClosed)
	}
	return err
}

// SetDeadline implements [net.Conn]. Deadlines end with the lease.
func (c *Conn) SetDeadline(t time.Time) error {
	if c.gentle() != nil {
		return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
	}
	c.timed.Store(true)
	return c.stream.SetDeadline(t)
}

// SetReadDeadline implements [net.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	if g := c.gentle(); g != nil {
		return g.setReadDeadline(c, t)
	}
	c.timed.Store(true)
	return c.stream.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if g := c.gentle(); g != nil {
		return g.setWriteDeadline(c, t)
	}
	c.timed.Store(true)
	return c.stream.SetWriteDeadline(t)
}

// CloseWrite says that no more will be written: the peer reads [io.EOF] after what has
// been. Reading goes on.
func (c *Conn) CloseWrite() error {
	if g := c.gentle(); g != nil {
		return g.endWrites(c)
	}
	if c.meeting != nil {
		return c.sayEnd()
	}
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
	if g := c.gentle(); g != nil {
		return g.close(c)
	}
	return c.endAll()
}

// endAll ends the connection, and with it the lease.
func (c *Conn) endAll() error {
	if !c.claim() {
		return nil
	}
	err := c.finish()
	c.endLease()
	return err
}

func (c *Conn) endLease() {
	c.mu.Lock()
	l := c.lease
	c.mu.Unlock()
	l.Hijack() // it has been closed already
}

// end is how a pool shuts a connection.
func (c *Conn) end() error {
	if !c.claim() {
		return nil
	}
	return c.finish()
}

// finish closes the connection. It does not wait for the peer: where there is no room
// for it, TLS's word that it ends is left out.
func (c *Conn) finish() error {
	c.depart()
	if c.socket != nil {
		c.socket.drop()
	}
	if c.wire != nil {
		c.wire.hasty.Store(true)
	}
	return c.stream.Close()
}

// depart takes the connection out of the books of whoever keeps any.
func (c *Conn) depart() {
	if c.lookout != nil {
		c.lookout.remove(c)
	}
	c.mu.Lock()
	if g := c.gentle(); g != nil {
		g.over()
	}
	tell := c.onEnd
	c.onEnd = nil
	c.mu.Unlock()
	if tell != nil {
		tell()
	}
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lease = l
	if m := c.meeting; m != nil {
		m.taken = true
	}
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
