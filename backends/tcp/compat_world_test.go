package tcp

import (
	"net"
	"testing"
	"time"
)

// compat starts both pools of the compatibility API, and waits until each has n idle
// connections. They are closed with the test.
func (s *site) compat(n int) (server, client *Pool) {
	s.Helper()
	server, client = s.compatServer(n), s.compatClient(n)
	for _, p := range []*Pool{client, server} {
		ready(s, p.shared.Core(), n)
	}
	return server, client
}

func (s *site) compatServer(n int) *Pool {
	s.Helper()
	p := NewServerPool(n, "", s.server, s.bind(), 0)
	p.ServerManager()
	s.Cleanup(p.Close)
	return p
}

func (s *site) compatClient(n int) *Pool {
	s.Helper()
	addr := s.addr // dials may outlive their pool
	p := NewClientPool(n, n, 100*time.Millisecond, time.Second, 0, s.code(), "localhost", func() (net.Conn, error) {
		return net.Dial("tcp", addr)
	})
	p.ClientManager()
	s.Cleanup(p.Close)
	return p
}

// code is the TLS code of clients.
func (s *site) code() string {
	if s.server == nil {
		return "0"
	}
	return "1"
}

// take takes a connection at one compatibility pool, and the same at the other.
func take(tb testing.TB, a, b *Pool) (*Conn, *Conn) {
	tb.Helper()
	id, x, err := a.IncomingGet(patience)
	if err != nil {
		tb.Fatal(err)
	}
	y, err := b.OutgoingGet(id, patience)
	if err != nil {
		tb.Fatal(err)
	}
	if got := y.(*Conn).ID().String(); got != id || x.(*Conn).ID().String() != id {
		tb.Fatalf("asked for %s, got %v and %s", id, x.(*Conn).ID(), got)
	}
	return x.(*Conn), y.(*Conn)
}
