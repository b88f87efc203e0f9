package quic

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// nat is a server's socket on the far side of a NAT: it knows one host by an address
// that changes.
type nat struct {
	net.PacketConn
	inside net.Addr // the host's own

	mu      sync.Mutex
	outside *net.UDPAddr // guarded by mu: what the server sees
}

// nat returns the server's socket with the client behind a NAT.
func (w *world) nat() *nat {
	return &nat{PacketConn: w.Socket(serverHost), inside: w.Socket(clientHost).LocalAddr()}
}

// rebind gives the host another address. What is sent to an earlier one is lost.
func (n *nat) rebind(addr string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.outside = udp(addr)
}

func (n *nat) look() net.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outside == nil {
		return n.inside
	}
	return n.outside
}

func (n *nat) ReadFrom(p []byte) (int, net.Addr, error) {
	size, from, err := n.PacketConn.ReadFrom(p)
	if err == nil && from.String() == n.inside.String() {
		from = n.look()
	}
	return size, from, err
}

func (n *nat) WriteTo(p []byte, to net.Addr) (int, error) {
	switch to.String() {
	case n.look().String():
		to = n.inside
	case n.inside.String():
		return len(p), nil
	}
	if !hosts10.Contains(to.(*net.UDPAddr).AddrPort().Addr().Unmap()) {
		return len(p), nil // nobody is there
	}
	return n.PacketConn.WriteTo(p, to)
}

// movesTo waits until a server sees its only connection at another address, and
// returns in that instant.
func movesTo(t *testing.T, a *acceptor, from string) {
	t.Helper()
	a.guard.mu.Lock()
	var conn *quicgo.Conn
	for v := range a.guard.guests {
		conn = v.conn
	}
	a.guard.mu.Unlock()
	for range 60_000 {
		if conn.RemoteAddr().String() != from {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the server has not noticed a new address in a minute")
}

func TestAConnectionThatMovesToAnAddressThatIsNotAllowedIsClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		allow := allowing(t, "10.0.0.0/8")
		n := w.nat()
		server, a := w.guarded(acceptorConfig{socket: n, allow: allow})
		client := w.client(20, 20)
		w.full(20, client)
		held, err := server.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond) // the patrol does not come at once
		n.rebind("192.0.2.1")
		movesTo(t, a, w.Addr(clientHost))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if l, err := server.Acquire(ctx); err == nil {
			t.Errorf("%v was handed out, and its client is at %v", l.ID(), held.Conn().conn.RemoteAddr())
		}
		begun := time.Now()
		_, err = held.Conn().Read(make([]byte, 1))
		var closed *quicgo.ApplicationError
		if !errors.As(err, &closed) || closed.Remote || closed.ErrorCode != codeNotAllowed {
			t.Errorf("a stream in use ended with %v", err)
		}
		if took := time.Since(begun); took > beat {
			t.Errorf("the connection was closed after %v", took)
		}
		held.Discard()
		synctest.Wait()
		if s := server.Stats(); s.Open() != 0 {
			t.Errorf("the server has %+v", s)
		}
		time.Sleep(time.Minute)
		if s := stats(client); s.Idle != 0 || a.connections() != 0 {
			t.Errorf("a client that is not allowed has %d streams", s.Idle)
		}
		n.rebind("10.9.9.9")
		w.full(20, client)
	})
}

func TestAConnectionThatMovesToAnAllowedAddressGoesOn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		allow := allowing(t, "10.0.0.0/8, 192.0.2.0/24")
		n := w.nat()
		server, a := w.guarded(acceptorConfig{socket: n, allow: allow})
		client := w.client(20, 20)
		w.full(20, client)
		_, s, err := client.IncomingGet(0)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range []string{"192.0.2.1", "10.9.9.9", "192.0.2.1"} {
			n.rebind(addr)
			if _, err := s.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if l, err := server.Acquire(t.Context()); err != nil {
				t.Error(err)
			} else {
				if got := l.Conn().conn.RemoteAddr().(*net.UDPAddr).IP.String(); got != addr {
					t.Errorf("the server sees the client at %s, not %s", got, addr)
				}
				l.Discard()
			}
		}
		if n := a.connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
		abort(s.(*StreamConn))
		time.Sleep(time.Second)
		settled(t, 20, client)
	})
}

// Here it is the client who moves, to another of its own addresses.
func TestAClientThatMigratesToAnAddressThatIsNotAllowedIsClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		allow := allowing(t, w.Socket(clientHost).LocalAddr().(*net.UDPAddr).IP.String())
		server, _ := w.guarded(acceptorConfig{allow: allow})
		conn := w.foreign(clientHost, alpn).connect(w.Socket(serverHost).LocalAddr())
		var s *quicgo.Stream
		for range 10 {
			var err error
			if s, err = openSync(t, conn); err != nil {
				t.Fatal(err)
			}
			if _, err := ask(s); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		path, err := conn.AddPath(w.foreign(thirdHost, alpn).Transport)
		if err != nil {
			t.Fatal(err)
		}
		if err := path.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := server.Stats().Idle; n != 10 {
			t.Errorf("%d idle streams of a client that has only probed a path", n)
		}
		if err := path.Switch(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		<-conn.Context().Done()
		var closed *quicgo.ApplicationError
		if err := context.Cause(conn.Context()); !errors.As(err, &closed) || !closed.Remote || closed.ErrorCode != codeNotAllowed {
			t.Errorf("the client is told %v", err)
		}
		if took := time.Since(begun); took > beat+2*rtt {
			t.Errorf("the connection was closed after %v", took)
		}
		synctest.Wait()
		if n := server.Stats().Open(); n != 0 {
			t.Errorf("%d streams of a client that is not allowed", n)
		}
	})
}

// A stream that is offered then is not for those who wait for one.
func TestAStreamThatIsOfferedFromAnAddressThatIsNotAllowedIsNobodys(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		allow := allowing(t, "10.0.0.0/8")
		n := w.nat()
		server, a := w.guarded(acceptorConfig{socket: n, allow: allow})
		conn := w.stranger()
		s, err := openSync(t, conn)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ask(s); err != nil {
			t.Fatal(err)
		}
		held, err := server.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		patrolled := make(chan struct{})
		time.AfterFunc(time.Until(time.Now().Truncate(beat).Add(5*beat)), func() { close(patrolled) })
		<-patrolled // the server began at a full second
		n.rebind("192.0.2.1")
		if _, err := s.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		movesTo(t, a, w.Addr(clientHost))
		another, err := openSync(t, conn)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = ask(another) }() // ends with the connection
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if l, err := server.Acquire(ctx); err == nil {
			t.Errorf("%v was handed out, and its client is at %v", l.ID(), l.Conn().conn.RemoteAddr())
		}
		if conn.Context().Err() == nil {
			t.Error("the connection was not closed")
		}
		held.Discard()
	})
}
