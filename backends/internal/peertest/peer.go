// Package peertest is the other end of a backend under test: a pool of the same package
// that takes every member there is and answers what is sent over it.
package peertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

// member is what pools of connections have.
type member interface {
	comparable
	net.Conn
}

// Peer is the other end. The zero Peer is ready to be started.
type Peer[C member] struct {
	// Network is where answers pass: none is sent while it is closed.
	Network pooltest.Gate

	pool *poolkit.Pool[C]
	work sync.WaitGroup

	mu      sync.Mutex
	open    map[poolkit.ID]net.Conn // guarded by mu
	arrived sync.Cond               // on mu: open has grown
}

// Start opens the peer's pool. It is closed with the test.
func (p *Peer[C]) Start(tb testing.TB, cfg poolkit.Config[C]) {
	tb.Helper()
	p.open = make(map[poolkit.ID]net.Conn)
	p.arrived.L = &p.mu
	pool, err := poolkit.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	p.pool = pool
	p.work.Go(p.serve)
	tb.Cleanup(func() {
		if err := pool.Close(); err != nil {
			tb.Errorf("close the peer: %v", err)
		}
		p.work.Wait()
	})
}

// serve ends with the pool.
func (p *Peer[C]) serve() {
	for {
		l, err := p.pool.Acquire(context.Background())
		if err != nil {
			return
		}
		p.mu.Lock()
		p.open[l.ID()] = l.Conn()
		p.mu.Unlock()
		p.arrived.Broadcast()
		p.work.Go(func() { p.answer(l.ID(), l.Conn()) })
	}
}

// who asks for the ID of a member.
const who = "who are you?"

// answer sends back what it reads. It ends with the member.
func (p *Peer[C]) answer(id poolkit.ID, conn net.Conn) {
	defer func() {
		_ = conn.Close()
		p.mu.Lock()
		delete(p.open, id)
		p.mu.Unlock()
	}()
	for b := make([]byte, 64); ; {
		n, err := conn.Read(b)
		if err != nil || p.Network.Pass(context.Background()) != nil {
			return
		}
		answer := b[:n]
		if string(answer) == who {
			answer = id[:]
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// end ends a member, which may be on its way to here.
func (p *Peer[C]) end(id poolkit.ID) {
	p.mu.Lock()
	for p.open[id] == nil {
		p.arrived.Wait()
	}
	conn := p.open[id]
	p.mu.Unlock()
	_ = conn.Close()
}

// Backend is what the peer is the other end of. What depends on the network is for the
// caller to add: Refuse, Stall and Recover.
func (p *Peer[C]) Backend(cfg poolkit.Config[C]) pooltest.Backend[C] {
	return pooltest.Backend[C]{
		Config:   cfg,
		Echo:     pooltest.Echo[C],
		PeerOpen: func() int { return p.pool.Stats().OnLoan },
		Kill:     func(id poolkit.ID, _ C) { p.end(id) },
		PeerID: func(conn C) (id poolkit.ID, err error) {
			if _, err := io.WriteString(conn, who); err != nil {
				return id, fmt.Errorf("ask for the ID: %w", err)
			}
			_, err = io.ReadFull(conn, id[:])
			return id, err
		},
	}
}
