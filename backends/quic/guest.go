package quic

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// guest is a connection to a server, as its guard sees it. A nil guest is a
// connection that we dialled, which no guard minds.
type guest struct {
	guard *guard
	peer  netip.Addr   // invalid where it has no IP address
	conn  *quicgo.Conn // set by arrive

	allowed atomic.Pointer[net.UDPAddr] // the latest address known to be

	// All of it is guarded by guard.mu.
	account *account // nil before the address is proven, and where there is none
	counted bool     // among guard.proven
	left    bool
	streams int       // open
	settled int       // of these, those that the client has an ID of
	vacant  time.Time // since when there has been none of those
}

// arrive makes the guest of a connection that quic-go has accepted known to the
// patrol.
func (g *guard) arrive(conn *quicgo.Conn) *guest {
	v := conn.Context().Value(guestKey{}).(*guest) // from greet
	v.conn = conn
	g.mu.Lock()
	defer g.mu.Unlock()
	v.vacant = time.Now()
	if !v.left {
		g.guests[v] = true
	}
	return v
}

// prove says that the connection is from its peer, which has answered, or completed
// the handshake. The first call puts it on the peer's account, or reports why the
// peer may have no more; the others do nothing.
func (v *guest) prove() error {
	g := v.guard
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case v.counted || v.left:
		return nil
	case g.proven >= maxPeers:
		return errServerFull
	}
	if v.peer.IsValid() {
		a := g.account(v.peer, now)
		if err := g.refuses(a, now); err != nil {
			return err
		}
		g.wake(a)
		a.handshakes.take(now, g.handshakeRate)
		a.conns++
		a.streams += v.streams
		v.account = a
	}
	v.counted = true
	g.proven++
	return nil
}

// await proves the address with the connection's handshake, unless it has been proven
// before, and closes a connection that is one too many. It ends with the handshake.
func (v *guest) await() {
	select {
	case <-v.conn.HandshakeComplete():
	case <-v.conn.Context().Done():
		return
	}
	if err := v.prove(); err != nil {
		v.guard.refusals.count(err)
		_ = v.conn.CloseWithError(codeQuota, err.Error()) // always nil
	}
}

// leave ends the connection's part of the account.
func (v *guest) leave() {
	g := v.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	v.left = true
	delete(g.guests, v)
	if !v.counted {
		return
	}
	g.proven--
	if v.account != nil {
		v.account.conns--
		g.rest(v.account)
	}
}

// begin counts a stream that the client has opened. It reports false, and counts
// nothing, when the peer has too many.
func (v *guest) begin() bool {
	g := v.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if v.left {
		return false // the account may have been closed
	}
	if v.peer.IsValid() && g.streamsOf(v) >= g.limits.Streams {
		g.refusals.Streams.Add(1)
		return false
	}
	if v.account != nil {
		v.account.streams++
	}
	v.streams++
	return true
}

// streamsOf returns, with g.mu held, how many streams a guest's peer has, its own
// included, which are not on the account before it has proven its address.
func (g *guard) streamsOf(v *guest) int {
	if v.account != nil {
		return v.account.streams
	}
	if a := g.accounts[v.peer]; a != nil {
		return a.streams + v.streams
	}
	return v.streams
}

// settle notes that the client has the ID of a stream.
func (v *guest) settle() {
	v.guard.mu.Lock()
	defer v.guard.mu.Unlock()
	v.settled++
}

// end counts a stream out, which may or may not have been settled. It may come after
// leave.
func (v *guest) end(settled bool) {
	g := v.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	v.streams--
	if settled {
		if v.settled--; v.settled == 0 {
			v.vacant = time.Now()
		}
	}
	if a := v.account; a != nil {
		a.streams--
		g.rest(a)
	}
}

// welcome reports whether the connection's address is allowed, now that it may have
// changed.
func (v *guest) welcome() bool {
	if v == nil || len(v.guard.allow) == 0 {
		return true
	}
	addr := v.conn.RemoteAddr()
	udp, _ := addr.(*net.UDPAddr)
	if udp != nil && udp == v.allowed.Load() {
		return true
	}
	if !v.guard.allow.Allows(addr) {
		return false
	}
	v.allowed.Store(udp)
	return true
}
