package tcp

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// wire is what TLS runs on: a connection whose reads and writes can be told not to
// wait. TLS can then take in what is no application's business, such as session
// tickets, while nobody reads.
type wire struct {
	net.Conn

	socket *socket     // nil where there is none
	record record      // how far TLS has read; its reader's
	hasty  atomic.Bool // do not wait
	eager  atomic.Bool // do not wait for anything to read

	postpones atomic.Bool // keep what there is no room for
	postponed []byte      // what was kept; belongs to whoever has set postpones
}

func newWire(raw net.Conn) *wire { return &wire{Conn: raw, socket: socketOf(raw)} }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.read(p)
	w.record.pass(p[:max(n, 0)])
	return n, err
}

func (w *wire) read(p []byte) (int, error) {
	if !w.hasty.Load() && !w.eager.Load() {
		return w.Conn.Read(p)
	}
	if w.socket == nil {
		return 0, errWouldWait
	}
	return w.socket.read(p)
}

// inRecord reports whether TLS has read a part of a record, and the rest is yet to come.
func (w *wire) inRecord() bool { return w.record != record{} }

// recordHeader is the length of a header, whose last two bytes are the length of what
// follows (RFC 8446, section 5.1).
const recordHeader = 5

// record follows the records of TLS in what is read.
type record struct {
	header int // bytes of the header so far
	length int // of the rest, as far as is known
	rest   int // bytes that are yet to come, once the header is complete
}

// pass moves on by what was read.
func (r *record) pass(p []byte) {
	for len(p) > 0 {
		if r.header < recordHeader {
			if r.header >= recordHeader-2 {
				r.length = r.length<<8 | int(p[0])
			}
			r.header++
			p = p[1:]
			r.rest = r.length
		} else {
			n := min(r.rest, len(p))
			r.rest -= n
			p = p[n:]
		}
		if r.header == recordHeader && r.rest == 0 {
			*r = record{}
		}
	}
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	if w.postpones.Load() {
		return w.postpone(p)
	}
	if w.socket == nil || !w.hasty.Load() {
		return w.Conn.Write(p)
	}
	return w.socket.write(p)
}

// postpone writes what there is room for in the socket, and keeps the rest.
func (w *wire) postpone(p []byte) (n int, err error) {
	if len(w.postponed) == 0 {
		if n, err = w.socket.write(p); err != nil && !errors.Is(err, errWouldWait) {
			return n, err
		}
	}
	w.postponed = append(w.postponed, p[n:]...)
	return len(p), nil
}

// SyscallConn implements [syscall.Conn].
func (w *wire) SyscallConn() (syscall.RawConn, error) {
	s, ok := w.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return s.SyscallConn()
}

// errWouldWait is the error of a read or write that was told not to wait. crypto/tls
// goes on after an error that is temporary.
var errWouldWait net.Error = wouldWait{}

type wouldWait struct{}

func (wouldWait) Error() string   { return "it would have to wait" }
func (wouldWait) Timeout() bool   { return true }
func (wouldWait) Temporary() bool { return true }
