package tcp

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fakeNet is a network in a bubble of virtual time: what happens to whoever connects to
// an address. Nobody answers at those it does not know.
type fakeNet struct {
	testing.TB

	work sync.WaitGroup // the servers' ends of connections, which end with the clients'

	mu    sync.Mutex
	hosts map[string]func(context.Context) (net.Conn, error) // guarded by mu, as is the rest
	dials map[string][]time.Time                             // when they began
	open  map[string]int
}

// inFakeNet runs a test in a bubble.
func inFakeNet(t *testing.T, test func(t *testing.T, n *fakeNet)) {
	synctest.Test(t, func(t *testing.T) {
		n := &fakeNet{
			TB:    t,
			hosts: make(map[string]func(context.Context) (net.Conn, error)),
			dials: make(map[string][]time.Time),
			open:  make(map[string]int),
		}
		t.Cleanup(n.work.Wait)
		test(t, n)
	})
}

// is says what happens at an address.
func (n *fakeNet) is(addr string, happens func(context.Context) (net.Conn, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[addr] = happens
}

// DialContext is a pool's.
func (n *fakeNet) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dials[addr] = append(n.dials[addr], time.Now())
	happens := n.hosts[addr]
	n.mu.Unlock()
	if happens == nil {
		happens = blackHole
	}
	conn, err := happens(ctx)
	if conn == nil || err != nil {
		return conn, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open[addr]++
	return &fakeConn{Conn: conn, addr: fakeAddr(addr), closed: sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.open[addr]--
	})}, nil
}

// fakeConn tells when it is closed.
type fakeConn struct {
	net.Conn

	addr   fakeAddr
	closed func()
}

// fakeAddr is an address in a fakeNet.
type fakeAddr string

func (a fakeAddr) Network() string { return "tcp" }
func (a fakeAddr) String() string  { return string(a) }

func (c *fakeConn) RemoteAddr() net.Addr { return c.addr }

func (c *fakeConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// connections returns how many are open to an address.
func (n *fakeNet) connections(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open[addr]
}

// dialled returns when dials to an address began.
func (n *fakeNet) dialled(addr string) []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[addr]
}

// pool starts a pool over the network, which is closed with the test.
func (n *fakeNet) pool(cfg DialConfig) *pool {
	n.Helper()
	cfg.DialContext = n.DialContext
	p, err := Dial(cfg)
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { p.Close() })
	return p
}

// serves returns what a server does that lets everybody in after a while.
func (n *fakeNet) serves(after time.Duration, serve func(net.Conn)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		client, server := net.Pipe()
		n.work.Go(func() {
			defer server.Close()
			serve(server)
		})
		return client, nil
	}
}

func swallow(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// refuses is a host where nothing listens.
func refuses(context.Context) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// blackHole is a host that does not answer.
func blackHole(ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
