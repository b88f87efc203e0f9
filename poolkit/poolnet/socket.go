package poolnet

import (
	"io"
	"syscall"
)

// readFrom writes to the member what it reads from r. The member does it itself, if it
// can.
func (u *use) readFrom(r io.Reader) (n int64, err error) {
	if !u.begin() {
		return 0, u.closedError("write")
	}
	if to, ok := u.member.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(r)
	} else {
		n, err = io.Copy(struct{ io.Writer }{u.member}, r)
	}
	return n, u.end("write", err)
}

// writeTo writes to w what it reads from the member, to the end. The member does it
// itself, if it can.
func (u *use) writeTo(w io.Writer) (n int64, err error) {
	if !u.begin() {
		return 0, u.closedError("read")
	}
	u.state.Or(spoiled) // whatever comes first: the member's end, or an error
	var first [1]byte
	if u.readFirst(first[:]) > 0 {
		k, err := w.Write(first[:])
		if err != nil {
			return int64(k), u.end("read", err)
		}
		n = int64(k)
	}
	var rest int64
	if from, ok := u.member.(io.WriterTo); ok {
		rest, err = from.WriteTo(w)
	} else {
		rest, err = io.Copy(w, struct{ io.Reader }{u.member})
	}
	return n + rest, u.end("read", err)
}

// rawConn is the socket of a member, as long as its use goes on.
type rawConn struct {
	use *use
	raw syscall.RawConn
}

func (r *rawConn) Control(f func(fd uintptr)) error {
	if !r.use.begin() {
		return r.use.closedError("raw-control")
	}
	return r.use.end("raw-control", r.raw.Control(f))
}

func (r *rawConn) Read(f func(fd uintptr) (done bool)) error {
	if !r.use.begin() {
		return r.use.closedError("raw-read")
	}
	return r.use.end("raw-read", r.raw.Read(f))
}

func (r *rawConn) Write(f func(fd uintptr) (done bool)) error {
	if !r.use.begin() {
		return r.use.closedError("raw-write")
	}
	return r.use.end("raw-write", r.raw.Write(f))
}
