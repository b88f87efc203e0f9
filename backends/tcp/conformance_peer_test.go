package tcp

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

func TestAPoolThatDialsAPeerIsABackend(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) { pooltest.Run(t, w.dialling) })
}

func TestAPoolThatListensIsABackend(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) { pooltest.Run(t, w.listening) })
}

// dialling is the client's end of a backend, whose peer is a server.
func (w *site) dialling(tb testing.TB) pooltest.Backend[*Conn] {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := &acceptor{listener: ln, tls: w.server, guard: newGuard(nil, Limits{})}
	peer := &servant{open: make(map[poolkit.ID]*Conn)}
	core := a.core(1, poolkit.Hooks{})
	core.Acceptor = &refusing{Acceptor: a, refuses: &peer.refuses}
	peer.start(tb, core)

	cfg := DialConfig{Addr: ln.Addr().String(), TLS: w.client, DialContext: peer.network.dial}
	d, _, err := cfg.dialer()
	if err != nil {
		tb.Fatal(err)
	}
	d.meets = true
	core = cfg.core(d)
	meetings(&core)
	b := peer.backend(core)
	b.Refuse = func() { peer.refuses.Store(true) }
	b.Recover = func() {
		peer.refuses.Store(false)
		peer.network.Open()
	}
	return b
}

// listening is the server's end of a backend, whose peer is a client.
func (w *site) listening(tb testing.TB) pooltest.Backend[*Conn] {
	const most = 12
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := &acceptor{listener: ln, tls: w.server, guard: newGuard(nil, Limits{})}
	peer := &servant{open: make(map[poolkit.ID]*Conn)}
	cfg := DialConfig{
		Addr: ln.Addr().String(), TLS: w.client, DialContext: peer.network.dial,
		MinCapacity: most, MaxCapacity: most, MaxOpen: most,
	}
	d, _, err := cfg.dialer()
	if err != nil {
		tb.Fatal(err)
	}
	d.meets = true
	core := cfg.core(d)
	meetings(&core)
	peer.start(tb, core)
	b := peer.backend(a.core(1, poolkit.Hooks{}))
	b.Recover = peer.network.Open
	return b
}

// gate is the network. While it is down nothing arrives at either end, but the system
// answers whoever connects: that is held back here.
type gate struct{ pooltest.Gate }

func (g *gate) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := g.Pass(ctx); err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// refusing is an acceptor that refuses what is offered, at times.
type refusing struct {
	poolkit.Acceptor[*Conn]
	refuses *atomic.Bool
}

func (a *refusing) Accept(ctx context.Context) (poolkit.Offer[*Conn], error) {
	for {
		o, err := a.Acceptor.Accept(ctx)
		if err != nil || !a.refuses.Load() {
			return o, err
		}
		o.Refuse()
	}
}

// servant is the other end of a backend under test: it takes every connection of its pool
// and answers what is sent over it.
type servant struct {
	pool    *pool
	refuses atomic.Bool
	network gate
	work    sync.WaitGroup

	mu      sync.Mutex
	open    map[poolkit.ID]*Conn // guarded by mu
	arrived sync.Cond            // on mu: open has grown
}

func (s *servant) start(tb testing.TB, cfg poolkit.Config[*Conn]) {
	tb.Helper()
	s.arrived.L = &s.mu
	p, err := start(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	s.pool = p
	s.work.Go(s.serve)
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Errorf("close the peer: %v", err)
		}
		s.work.Wait()
	})
}

// serve ends with the pool.
func (s *servant) serve() {
	for {
		l, err := s.pool.Acquire(context.Background())
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[l.ID()] = l.Conn()
		s.mu.Unlock()
		s.arrived.Broadcast()
		s.work.Go(func() { s.answer(l.ID(), l.Conn()) })
	}
}

// who asks for the ID of a connection.
const who = "who are you?"

// answer sends back what it reads. It ends with the connection.
func (s *servant) answer(id poolkit.ID, c *Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.open, id)
		s.mu.Unlock()
	}()
	for b := make([]byte, 64); ; {
		n, err := c.Read(b)
		if err != nil || s.network.Pass(context.Background()) != nil {
			return
		}
		answer := b[:n]
		if string(answer) == who {
			answer = id[:]
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// end ends a connection, which may be on its way to here.
func (s *servant) end(id poolkit.ID) {
	s.mu.Lock()
	for s.open[id] == nil {
		s.arrived.Wait()
	}
	c := s.open[id]
	s.mu.Unlock()
	c.Close()
}

// backend is the other end of the servant.
func (s *servant) backend(cfg poolkit.Config[*Conn]) pooltest.Backend[*Conn] {
	return pooltest.Backend[*Conn]{
		Config:   cfg,
		Echo:     pooltest.Echo[*Conn],
		PeerOpen: func() int { return s.pool.Stats().OnLoan },
		Kill:     func(id poolkit.ID, _ *Conn) { s.end(id) },
		Stall:    s.network.Close,
		PeerID: func(c *Conn) (id poolkit.ID, err error) {
			if _, err := io.WriteString(c, who); err != nil {
				return id, fmt.Errorf("ask for the ID: %w", err)
			}
			_, err = io.ReadFull(c, id[:])
			return id, err
		},
	}
}
