package quic

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

func TestAPoolThatDialsIsABackend(t *testing.T) {
	pooltest.RunInBubble(t, func(tb testing.TB) pooltest.Backend[*StreamConn] {
		n := simtest.New(tb, hosts, rtt)
		b := dialling(tb, n.Socket(serverHost), n.Socket(clientHost))
		b.Stall = func() { n.Cut(serverHost, true) }
		recover := b.Recover
		b.Recover = func() {
			n.Cut(serverHost, false)
			recover()
		}
		return b
	})
}

func TestAPoolThatListensIsABackend(t *testing.T) {
	pooltest.RunInBubble(t, func(tb testing.TB) pooltest.Backend[*StreamConn] {
		n := simtest.New(tb, hosts, rtt)
		b := listening(tb, n.Socket(serverHost), n.Socket(clientHost))
		b.Stall = func() { n.Cut(clientHost, true) }
		b.Recover = func() { n.Cut(clientHost, false) }
		return b
	})
}

func TestAPoolThatDialsIsABackendOnRealSockets(t *testing.T) {
	pooltest.Run(t, func(tb testing.TB) pooltest.Backend[*StreamConn] {
		sockets := loopbackSocket(tb)
		return dialling(tb, sockets(), sockets())
	})
}

// dialling is the client's end of a backend, whose peer is a server.
func dialling(tb testing.TB, there, here net.PacketConn) pooltest.Backend[*StreamConn] {
	tb.Helper()
	conf := simtest.Certificate(tb)
	a, err := listen(acceptorConfig{socket: there, tls: conf})
	if err != nil {
		tb.Fatal(err)
	}
	peer := &servant{open: make(map[poolkit.ID]*StreamConn)}
	cfg := a.poolConfig(places, poolkit.Hooks{})
	cfg.Acceptor = &refusing{Acceptor: a, refuses: &peer.refuses}
	peer.start(tb, cfg)

	d := newDialer(fixed(there.LocalAddr().String()), simtest.Trust(conf), clientSettings(0), here)
	d.spread = 1
	b := peer.backend(d.poolConfig(1, 1, nil, poolkit.Hooks{}))
	b.Refuse = func() { peer.refuses.Store(true) }
	b.Recover = func() { peer.refuses.Store(false) }
	return b
}

// listening is the server's end of a backend, whose peer is a client.
func listening(tb testing.TB, here, there net.PacketConn) pooltest.Backend[*StreamConn] {
	tb.Helper()
	const streams = 12
	conf := simtest.Certificate(tb)
	a, err := listen(acceptorConfig{socket: here, tls: conf})
	if err != nil {
		tb.Fatal(err)
	}
	peer := &servant{open: make(map[poolkit.ID]*StreamConn)}
	d := newDialer(fixed(here.LocalAddr().String()), simtest.Trust(conf), clientSettings(0), there)
	d.spread = 1
	cfg := d.poolConfig(streams, streams, nil, poolkit.Hooks{})
	cfg.Places, cfg.MaxShards = streams, 1
	peer.start(tb, cfg)

	conf2 := a.poolConfig(places, poolkit.Hooks{})
	conf2.Peer = (*StreamConn).Peer
	return peer.backend(conf2)
}

// refusing is an acceptor that refuses what is offered, at times.
type refusing struct {
	poolkit.Acceptor[*StreamConn]
	refuses *atomic.Bool
}

func (a *refusing) Accept(ctx context.Context) (poolkit.Offer[*StreamConn], error) {
	for {
		o, err := a.Acceptor.Accept(ctx)
		if err != nil || !a.refuses.Load() {
			return o, err
		}
		o.Refuse()
	}
}

// servant is the other end of a backend under test: it takes every stream of its pool
// and answers what is sent over it.
type servant struct {
	pool    *native
	refuses atomic.Bool
	work    sync.WaitGroup

	mu      sync.Mutex
	open    map[poolkit.ID]*StreamConn // guarded by mu
	arrived sync.Cond                  // on mu: open has grown
}

func (s *servant) start(tb testing.TB, cfg poolkit.Config[*StreamConn]) {
	tb.Helper()
	s.arrived.L = &s.mu
	p, err := poolkit.New(cfg)
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

// who asks for the ID of a stream.
const who = "who are you?"

// answer sends back what it reads. It ends with the stream.
func (s *servant) answer(id poolkit.ID, c *StreamConn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.open, id)
		s.mu.Unlock()
	}()
	for b := make([]byte, 64); ; {
		n, err := c.Read(b)
		if err != nil {
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

// end ends a stream, which may be on its way to here.
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
func (s *servant) backend(cfg poolkit.Config[*StreamConn]) pooltest.Backend[*StreamConn] {
	return pooltest.Backend[*StreamConn]{
		Config:   cfg,
		Echo:     pooltest.Echo[*StreamConn],
		PeerOpen: func() int { return s.pool.Stats().OnLoan },
		Kill:     func(id poolkit.ID, _ *StreamConn) { s.end(id) },
		PeerID: func(c *StreamConn) (id poolkit.ID, err error) {
			if _, err := io.WriteString(c, who); err != nil {
				return id, fmt.Errorf("ask for the ID: %w", err)
			}
			_, err = io.ReadFull(c, id[:])
			return id, err
		},
	}
}
