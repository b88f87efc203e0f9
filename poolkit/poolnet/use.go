package poolnet

import (
	"net"
	"sync/atomic"
	"time"
)

// use is one user's use of a member. Each has its own, so that who has ended one cannot
// reach the member's next user through it.
type use struct {
	member net.Conn
	state  atomic.Uint32
	counts bool    // calls are counted: the member may get a next user
	first  [1]byte // while state has heard: what the peer said first, and nobody has read
}

// The bits of a use's state. The lower ones count the calls under way, so that one
// operation tells Close whether it is alone with the member.
const (
	closed  = 1 << 31
	spoiled = 1 << 30 // the member must not serve anybody else
	timed   = 1 << 29 // a deadline has been set
	heard   = 1 << 28
)

// begin starts a call, unless the use has ended. Every begin that reports true needs
// its end.
func (u *use) begin() bool {
	if !u.counts {
		return u.state.Load()&closed == 0
	}
	return u.count()
}

func (u *use) count() bool {
	if u.state.Add(1)&closed == 0 {
		return true
	}
	u.state.Add(^uint32(0))
	return false
}

// end ends a call, and returns what its caller is told.
func (u *use) end(op string, err error) error {
	if err == nil && !u.counts {
		return nil
	}
	return u.settle(op, err)
}

// settle ends a call that has failed or is counted. A member that has failed is spoiled,
// even by a timeout: half a message may have been read or written.
func (u *use) settle(op string, err error) error {
	if err != nil {
		u.state.Or(spoiled) // before the call is counted out, so that Close sees the one or the other
	}
	if u.counts {
		u.state.Add(^uint32(0))
	}
	if err != nil && u.state.Load()&closed != 0 {
		return u.closedError(op)
	}
	return err
}

// closedError is the error of what comes after Close.
func (u *use) closedError(op string) error {
	err := &net.OpError{Op: op, Net: "pool", Source: u.LocalAddr(), Addr: u.RemoteAddr(), Err: net.ErrClosed}
	if err.Addr != nil {
		err.Net = err.Addr.Network()
	}
	return err
}

func (u *use) Read(p []byte) (int, error) {
	if !u.begin() {
		return 0, u.closedError("read")
	}
	if u.state.Load()&heard != 0 {
		if n := u.readFirst(p); n > 0 {
			return n, u.end("read", nil)
		}
	}
	n, err := u.member.Read(p)
	return n, u.end("read", err)
}

// readFirst reads what the peer said first, once.
func (u *use) readFirst(p []byte) int {
	if len(p) == 0 || u.state.And(^uint32(heard))&heard == 0 {
		return 0
	}
	return copy(p, u.first[:])
}

func (u *use) Write(p []byte) (int, error) {
	if !u.begin() {
		return 0, u.closedError("write")
	}
	n, err := u.member.Write(p)
	return n, u.end("write", err)
}

func (u *use) SetDeadline(t time.Time) error {
	if !u.begin() {
		return u.closedError("set")
	}
	u.state.Or(timed)
	return u.end("set", u.member.SetDeadline(t))
}

func (u *use) SetReadDeadline(t time.Time) error {
	if !u.begin() {
		return u.closedError("set")
	}
	u.state.Or(timed)
	return u.end("set", u.member.SetReadDeadline(t))
}

func (u *use) SetWriteDeadline(t time.Time) error {
	if !u.begin() {
		return u.closedError("set")
	}
	u.state.Or(timed)
	return u.end("set", u.member.SetWriteDeadline(t))
}

func (u *use) LocalAddr() net.Addr  { return u.member.LocalAddr() }
func (u *use) RemoteAddr() net.Addr { return u.member.RemoteAddr() }

// NetConn returns the member while the use goes on, and nil after that.
func (u *use) NetConn() net.Conn {
	if u.state.Load()&closed != 0 {
		return nil
	}
	return u.member
}
