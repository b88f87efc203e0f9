package quic

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
)

// The hosts of a world, in which the first is the server.
const (
	serverHost = iota
	clientHost
	thirdHost
	hosts
)

// rtt is the round trip time between any two hosts.
const rtt = 50 * time.Millisecond

// world is a simulated network in a bubble of virtual time.
type world struct {
	*testing.T
	*simtest.Network

	tls        *tls.Config  // the server's
	handshakes atomic.Int64 // that clients have begun
}

// inWorld runs a test in virtual time. When it returns, no goroutine is left.
func inWorld(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	inCrowd(t, hosts-clientHost, test)
}

// inCrowd is inWorld with so many hosts beside the server, of which the first is
// clientHost.
func inCrowd(t *testing.T, clients int, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, clients)) })
}

// newWorld returns a world in the bubble of a test.
func newWorld(t *testing.T, clients int) *world {
	w := &world{T: t, Network: simtest.New(t, clientHost+clients, rtt), tls: simtest.Certificate(t)}
	w.tls.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		w.handshakes.Add(1)
		return nil, nil // the same for all
	}
	return w
}

// server starts a compatibility server pool. It is closed with the test.
func (w *world) server(maxCap int) *Pool {
	w.Helper()
	p := newServerPool(maxCap, "", w.tls, "ignored", w.Socket(serverHost))
	p.ServerManager()
	w.Cleanup(p.Close)
	return p
}

// client starts a compatibility client pool. It is closed with the test.
func (w *world) client(minCap, maxCap int) *Pool {
	w.Helper()
	return w.clientAt(clientHost, minCap, maxCap)
}

func (w *world) clientAt(host, minCap, maxCap int) *Pool {
	w.Helper()
	p := newClientPool(minCap, maxCap, 100*time.Millisecond, time.Second, 0, "0", "localhost",
		func() (string, error) { return w.Addr(serverHost), nil }, w.Socket(host))
	p.ClientManager()
	w.Cleanup(p.Close)
	return p
}

// listen starts a native server pool. It is closed with the test.
func (w *world) listen(cfg ListenConfig) *poolkit.Pool[*StreamConn] {
	w.Helper()
	if cfg.PacketConn == nil {
		cfg.PacketConn = w.Socket(serverHost)
	}
	if cfg.TLS == nil {
		cfg.TLS = w.tls
	}
	p, err := Listen(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { p.Close() })
	return p
}

// acceptor starts a native server pool whose acceptor the test can look at. It is
// closed with the test.
func (w *world) acceptor() (*native, *acceptor) {
	w.Helper()
	return w.guarded(acceptorConfig{})
}

// guarded is acceptor with a configuration.
func (w *world) guarded(cfg acceptorConfig) (*native, *acceptor) {
	w.Helper()
	if cfg.socket == nil {
		cfg.socket = w.Socket(serverHost)
	}
	cfg.tls = w.tls
	a, err := listen(cfg)
	if err != nil {
		w.Fatal(err)
	}
	p, err := poolkit.New(a.poolConfig(places, poolkit.Hooks{}))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { p.Close() })
	return p, a
}

// connections is the number of a's connections, those included that have ended while
// streams are still held.
func (a *acceptor) connections() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next - len(a.freed)
}

// dial starts a native client pool. It is closed with the test.
func (w *world) dial(cfg DialConfig) *poolkit.Pool[*StreamConn] {
	w.Helper()
	if cfg.PacketConn == nil {
		cfg.PacketConn = w.Socket(clientHost)
	}
	if cfg.Addr == "" {
		cfg.Addr = w.Addr(serverHost)
	}
	if cfg.TLS == nil && cfg.Trust == nil {
		cfg.TLS = simtest.Trust(w.tls)
	}
	p, err := Dial(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { p.Close() })
	return p
}

// bare returns the two ends of a connection without pools. It is closed with the
// test.
func (w *world) bare() (client, server *quicgo.Conn) {
	w.Helper()
	return w.bareWith(serverSettings())
}

// bareWith is bare with other settings of the server.
func (w *world) bareWith(conf *quicgo.Config) (client, server *quicgo.Conn) {
	w.Helper()
	a, b := &quicgo.Transport{Conn: w.Socket(serverHost)}, &quicgo.Transport{Conn: w.Socket(clientHost)}
	w.Cleanup(func() { a.Close(); b.Close() })
	ln, err := a.Listen(withALPN(w.tls), conf)
	if err != nil {
		w.Fatal(err)
	}
	client, err = b.Dial(w.Context(), w.Socket(serverHost).LocalAddr(), withALPN(simtest.Trust(w.tls)), clientSettings(0))
	if err != nil {
		w.Fatal(err)
	}
	server, err = ln.Accept(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return client, server
}

// pair starts a client pool and a server pool, and waits until both are full.
func (w *world) pair(n int) (client, server *Pool) {
	w.Helper()
	server, client = w.server(n), w.client(n, n)
	w.full(n, client, server)
	return client, server
}

// full waits until pools have that many idle streams, and not more.
func (w *world) full(n int, pools ...*Pool) {
	w.Helper()
	for _, p := range pools {
		waitIdle(w, p, n)
		synctest.Wait()
		if got := p.Active(); got != n {
			w.Fatalf("%d idle streams, want %d", got, n)
		}
	}
}

// waitIdle waits until a pool has at least that many idle streams.
func waitIdle(t testing.TB, p *Pool, n int) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	core, err := p.shared.Opened(ctx)
	if err == nil {
		err = core.WaitReady(ctx, n)
	}
	if err != nil {
		t.Fatalf("waiting for %d idle streams: %v", n, err)
	}
}

// take takes a stream at the server, and the same at the client.
func take(t testing.TB, client, server *Pool) (c, s *StreamConn) {
	t.Helper()
	id, taken, err := server.IncomingGet(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	other, err := client.OutgoingGet(id, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c, s = other.(*StreamConn), taken.(*StreamConn)
	if c.ID().String() != id || s.ID() != c.ID() {
		t.Fatalf("asked for %s, got %v and %v", id, c.ID(), s.ID())
	}
	return c, s
}

// carries checks that what is written to one stream is read from the other.
func carries(t testing.TB, from, to net.Conn) {
	t.Helper()
	message := make([]byte, 32)
	for i := range message {
		message[i] = byte(i)
	}
	for _, end := range []net.Conn{from, to} {
		if err := end.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.Write(message); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(message))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, message) {
		t.Fatalf("wrote %x, read %x", message, got)
	}
	for _, end := range []net.Conn{from, to} {
		if err := end.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
}

// usable checks that two streams are the two ends of one.
func usable(t testing.TB, a, b net.Conn) {
	t.Helper()
	carries(t, a, b)
	carries(t, b, a)
}

// stats looks at a pool of a world once everybody has done what there is to do at
// this instant.
func stats(p *Pool) poolkit.Stats {
	synctest.Wait()
	return p.running().Stats()
}

// settled checks that nothing is in use in pools that keep n streams idle.
func settled(t testing.TB, n int, pools ...*Pool) {
	t.Helper()
	for _, p := range pools {
		s := stats(p)
		if s.Idle != n || s.OnLoan != 0 || s.Closing != 0 || s.Promised != 0 || s.Waiting != 0 {
			t.Errorf("%d idle, %d on loan, %d closing, %d promised, %d waiting; want %d idle and no others",
				s.Idle, s.OnLoan, s.Closing, s.Promised, s.Waiting, n)
		}
	}
}

// running returns the core of a pool, or nil where there is none yet.
func (p *Pool) running() *native { return p.shared.Core() }
