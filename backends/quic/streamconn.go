package quic

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// StreamConn is a pooled QUIC stream. It is a [net.Conn]; any goroutine may call
// its methods at any time.
type StreamConn struct {
	*quicgo.Stream

	conn   *connection
	sentry sentry // while the stream is idle

	writing sync.Mutex  // held during a write, and by whoever ends the send half
	cut     bool        // a write was cut short by our own close; guarded by writing
	noMore  atomic.Bool // the send half has been ended, or is about to be; set under mu

	mu      sync.Mutex
	readers int32                      // guarded by mu, as is all that follows: reads under way
	lease   poolkit.Lease[*StreamConn] //
	parting *parting                   // a gentle close, if there was one
	read    int64                      // bytes read, the preface included
	eof     bool                       // a reader has seen the end
	shut    bool                       // both halves have been ended, or are about to be
}

var _ net.Conn = (*StreamConn)(nil)

func newStreamConn(conn *connection, s *quicgo.Stream) *StreamConn {
	return &StreamConn{Stream: s, conn: conn, read: conn.preface}
}

// LocalAddr returns the local address of the connection that the stream belongs to, as it
// was when that was made.
func (s *StreamConn) LocalAddr() net.Addr { return s.conn.local }

// RemoteAddr returns the peer's address on that connection, as it was then. A client may
// have moved since.
func (s *StreamConn) RemoteAddr() net.Addr { return s.conn.remote }

// ConnectionState returns the TLS state of that connection.
func (s *StreamConn) ConnectionState() tls.ConnectionState { return s.conn.ConnectionState().TLS }

// ID returns the ID of the stream, the same at both ends. It is a name, not a secret.
func (s *StreamConn) ID() poolkit.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease.ID()
}

// Read reads what the peer has written. It returns [io.EOF] after the peer's
// CloseWrite or Close, [net.ErrClosed] after our own Close, and an error with
// Timeout() after the deadline.
func (s *StreamConn) Read(p []byte) (int, error) {
	if s.conn.partings == nil {
		n, err := s.Stream.Read(p)
		return n, s.explain("read", err)
	}
	if !s.readBegins() {
		return 0, s.opError("read", net.ErrClosed)
	}
	n, err := s.Stream.Read(p)
	s.readEnds(n, err)
	return n, s.explain("read", err)
}

// Write writes to the peer. It returns when the bytes are on their way, not when
// they have arrived.
func (s *StreamConn) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.noMore.Load() {
		return 0, s.opError("write", net.ErrClosed)
	}
	n, err := s.Stream.Write(p)
	if n < len(p) && s.noMore.Load() {
		s.cut = true
		return n, s.opError("write", net.ErrClosed)
	}
	return n, s.explain("write", err)
}

// SetDeadline sets the deadlines of reads and writes, those under way included. A
// zero time is none.
func (s *StreamConn) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline of reads.
func (s *StreamConn) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return s.opError("set", net.ErrClosed)
	}
	return s.Stream.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of writes. It does nothing once they have
// ended.
func (s *StreamConn) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return s.opError("set", net.ErrClosed)
	}
	if s.noMore.Load() {
		return nil // the deadline now cuts short a write that was under way
	}
	return s.Stream.SetWriteDeadline(t)
}

// CloseWrite says that no more will be written: the peer reads [io.EOF] after what
// has been. Reading goes on. A Write under way is cut short, and then the peer is
// told so instead.
func (s *StreamConn) CloseWrite() error {
	if s.endWrites() {
		return nil
	}
	return s.opError("close", net.ErrClosed)
}

// endWrites ends the send half. It reports whether this call did.
func (s *StreamConn) endWrites() bool {
	s.mu.Lock()
	if s.noMore.Load() {
		s.mu.Unlock()
		return false
	}
	s.noMore.Store(true)
	if !s.writing.TryLock() {
		_ = s.Stream.SetWriteDeadline(time.Unix(1, 0)) // frees a writer that is stuck; never fails
		s.mu.Unlock()
		s.writing.Lock()
	} else {
		s.mu.Unlock()
	}
	defer s.writing.Unlock()
	if s.cut {
		s.CancelWrite(codeDone) // a FIN would make half a message look whole
		return true
	}
	_ = s.Stream.Close() // fails only if the peer wants no more, which is no matter
	return true
}

// CloseRead says that no more will be read, and tells the peer to stop writing.
// Writing goes on.
func (s *StreamConn) CloseRead() error {
	s.CancelRead(codeDone)
	return nil
}

// Close ends the stream and gives its place back to the pool.
//
// In a pool of [Dial] or [Listen] it does what [net.Conn] says: reads and writes
// under way return at once, what has been written is delivered, what has arrived
// unread is dropped, and the peer is told to stop.
//
// In a compatibility pool, Close says that writing has finished, and lets reading go
// on until the peer has finished too. The receiving half ends, at the latest, when
// nobody has read for a second, or a reader has waited a minute for a byte. So the
// place always comes back, and no byte on its way to a reader is cut off. Use Abort
// to end both directions at once.
//
// Closing again does nothing.
func (s *StreamConn) Close() error {
	if s.conn.partings != nil {
		s.part()
		return nil
	}
	s.finish()
	return nil
}

// Abort ends both directions at once. What the peer has not received yet may be
// lost, and the peer's reads fail.
func (s *StreamConn) Abort() error {
	s.mu.Lock()
	s.noMore.Store(true)
	s.mu.Unlock()
	reset(s.Stream, codeDone)
	s.finish()
	return nil
}

// finish ends both halves, and with them the lease.
func (s *StreamConn) finish() {
	if s.claim() {
		s.endHalves()
		s.endLease()
	}
}

// end ends both halves. It is how a pool shuts a stream.
func (s *StreamConn) end() error {
	if s.claim() {
		s.endHalves()
	}
	return nil
}

// claim makes the caller the one who ends the stream. It reports false when
// somebody else is.
func (s *StreamConn) claim() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return false
	}
	s.shut = true
	return true
}

func (s *StreamConn) endHalves() {
	if s.parting != nil { // set no more, once somebody has claimed the end
		s.conn.partings.cancel(&s.parting.alarm)
	}
	s.CancelRead(codeDone)
	s.endWrites()
	s.conn.streamEnded()
}

func (s *StreamConn) endLease() {
	s.mu.Lock()
	l := s.lease
	s.mu.Unlock()
	l.Hijack() // the stream has been shut already
}

// number says which stream of its connection it is, at both ends the same.
func (s *StreamConn) number() uint64 { return uint64(s.StreamID())/4 + 1 }

// lent tells the stream of its lease, which ends with it.
func (s *StreamConn) lent(l poolkit.Lease[*StreamConn]) {
	s.mu.Lock()
	s.lease = l
	s.mu.Unlock()
}

// explain turns an error of quic-go into what users of a net.Conn test for.
func (s *StreamConn) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	s.mu.Lock()
	closed := s.shut || op == "write" && s.noMore.Load()
	s.mu.Unlock()
	var stream *quicgo.StreamError
	switch {
	case errors.Is(err, io.EOF) && (s.conn.partings != nil || !closed):
		return err // reading to the end may have ended a gentle close
	case closed:
		return s.opError(op, net.ErrClosed)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return s.opError(op, err)
	case errors.As(err, &stream) && !stream.Remote, errors.Is(err, quicgo.ErrStreamClosed):
		return s.opError(op, net.ErrClosed)
	case errors.As(err, &stream) && op == "write":
		return s.opError(op, &lostError{err, syscall.EPIPE})
	default:
		return s.opError(op, &lostError{err, syscall.ECONNRESET})
	}
}

func (s *StreamConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "quic", Source: s.conn.local, Addr: s.conn.remote, Err: err}
}

// lostError says that the peer ended the stream, or that the connection is gone.
type lostError struct {
	err   error
	errno syscall.Errno
}

func (e *lostError) Error() string   { return e.errno.Error() + ": " + e.err.Error() }
func (e *lostError) Unwrap() []error { return []error{e.errno, foreignError{e.err}} }
