package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
)

// server says what it is told. It can be killed and started again.
type server struct {
	tls  *tls.Config
	addr string // known once it has been started

	work sync.WaitGroup // accept, and one for each connection; kill waits for it

	mu    sync.Mutex
	ln    net.Listener      // guarded by mu, as is the next; nil while it is dead
	conns map[net.Conn]bool // open
}

func (s *server) start() error {
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr, s.ln, s.conns = ln.Addr().String(), ln, make(map[net.Conn]bool)
	s.work.Go(func() { s.accept(ln) })
	return nil
}

func (s *server) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			s.work.Go(func() { s.serve(conn) })
		}
	}
}

func (s *server) serve(raw net.Conn) {
	defer raw.Close()
	s.mu.Lock()
	if s.ln == nil {
		s.mu.Unlock()
		return
	}
	s.conns[raw] = true
	s.mu.Unlock()
	conn := tls.Server(raw, s.tls)
	_, _ = io.Copy(conn, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, raw)
}

// kill ends the listener and every connection, without a word.
func (s *server) kill() {
	s.mu.Lock()
	if s.ln != nil {
		s.ln.Close()
	}
	for conn := range s.conns {
		conn.Close()
	}
	s.ln = nil
	s.mu.Unlock()
	s.work.Wait()
}
