package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// site is where pools of both ends meet, on loopback.
type site struct {
	*testing.T

	server, client *tls.Config // nil for plain TCP
	addr           string      // of the latest listener
}

// eachWay runs a test over plain TCP and over TLS.
func eachWay(t *testing.T, test func(*testing.T, *site)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) { test(t, &site{T: t}) })
	t.Run("TLS", func(t *testing.T) {
		server, client := certificate(t)
		test(t, &site{T: t, server: server, client: client})
	})
}

// bind returns a listener on loopback, at the site's address if it has one.
func (s *site) bind() net.Listener {
	s.Helper()
	addr := s.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		s.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.Cleanup(func() { ln.Close() })
	return ln
}

// listen starts a server pool. It is closed with the test.
func (s *site) listen(cfg ListenConfig) *pool {
	s.Helper()
	if cfg.Listener == nil {
		cfg.Listener = s.bind()
	}
	cfg.TLS = s.server
	p, err := Listen(cfg)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { p.Close() })
	return p
}

// dial starts a client pool of n connections. It is closed with the test.
func (s *site) dial(n int, cfg DialConfig) *pool {
	s.Helper()
	cfg.Addr, cfg.TLS = s.addr, s.client
	cfg.MinCapacity, cfg.MaxCapacity = n, n
	p, err := DialPeer(cfg)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { p.Close() })
	return p
}

// pair starts a server pool and a client pool, and waits until both have n idle
// connections.
func (s *site) pair(n int) (server, client *pool) {
	s.Helper()
	server = s.listen(ListenConfig{})
	client = s.dial(n, DialConfig{})
	ready(s, client, n)
	ready(s, server, n)
	return server, client
}

// meet takes a connection at the server, and the same at the client.
func meet(tb testing.TB, server, client *pool) (s, c *Conn) {
	tb.Helper()
	l := acquire(tb, server)
	return l.Conn(), acquireID(tb, client, l.ID()).Conn()
}

func acquireID(tb testing.TB, p *pool, id poolkit.ID) lease {
	tb.Helper()
	ctx, stop := context.WithTimeout(tb.Context(), patience)
	defer stop()
	l, err := p.AcquireID(ctx, id)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// carries checks that what is written to one connection is read from the other.
func carries(tb testing.TB, from, to net.Conn) {
	tb.Helper()
	message := []byte("from " + from.LocalAddr().String() + " to " + from.RemoteAddr().String())
	if _, err := from.Write(message); err != nil {
		tb.Fatal(err)
	}
	got := make([]byte, len(message))
	if err := to.SetReadDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(to, got); err != nil {
		tb.Fatal(err)
	}
	if err := to.SetReadDeadline(time.Time{}); err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, message) {
		tb.Fatalf("wrote %q, read %q", message, got)
	}
}

// usable checks that two connections are the two ends of one.
func usable(tb testing.TB, a, b net.Conn) {
	tb.Helper()
	carries(tb, a, b)
	carries(tb, b, a)
}

// settled waits until pools have n idle connections and no others.
func settled(tb testing.TB, n int, pools ...*pool) {
	tb.Helper()
	settledBut(tb, n, 0, pools...)
}

// settledBut is settled but for some that are leaving.
func settledBut(tb testing.TB, n, leaving int, pools ...*pool) {
	tb.Helper()
	for _, p := range pools {
		var s poolkit.Stats
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			if s = p.Stats(); s.Idle == n && s.Closing == leaving && s.Open() == n+leaving {
				break
			}
			if time.Now().After(end) {
				tb.Fatalf("want %d idle and %d leaving: %+v", n, leaving, s)
			}
		}
	}
}
