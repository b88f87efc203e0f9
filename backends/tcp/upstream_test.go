package tcp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/internal/selfsigned"
)

// certificate returns a server's TLS configuration, with a self-signed certificate for
// localhost, and a client's that trusts it.
func certificate(tb testing.TB) (server, client *tls.Config) {
	tb.Helper()
	cert, err := selfsigned.Certificate()
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	curves := []tls.CurveID{tls.X25519} // the others are slow under the race detector
	return &tls.Config{Certificates: []tls.Certificate{cert}, CurvePreferences: curves},
		&tls.Config{RootCAs: roots, ServerName: "localhost", CurvePreferences: curves}
}

// upstream is a server on loopback that can be stopped and started again at its address.
type upstream struct {
	testing.TB

	addr  string
	tls   *tls.Config    // nil without TLS
	serve func(net.Conn) // what it does with a connection, which it may leave open

	work sync.WaitGroup // accept and serve

	mu       sync.Mutex
	listener net.Listener      // guarded by mu, as is the rest; nil while it is stopped
	conns    map[net.Conn]bool // that it has accepted and not closed
	seen     map[string]bool   // clients that it has accepted
	accepted int
	resumed  int // of these, with TLS sessions from earlier
	done     int // of these, served to their end
}

// startUpstream starts a server. It is stopped when the test ends.
func startUpstream(tb testing.TB, conf *tls.Config, serve func(net.Conn)) *upstream {
	tb.Helper()
	return newUpstream(tb, "127.0.0.1:0", conf, serve)
}

func newUpstream(tb testing.TB, addr string, conf *tls.Config, serve func(net.Conn)) *upstream {
	tb.Helper()
	s := &upstream{TB: tb, addr: addr, tls: conf, serve: serve, conns: make(map[net.Conn]bool), seen: make(map[string]bool)}
	s.start()
	tb.Cleanup(s.stop)
	return s
}

func (s *upstream) start() {
	s.Helper()
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = ln
	s.work.Go(func() { s.accept(ln) })
}

func (s *upstream) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if isClosed(err) {
			return
		}
		if err != nil { // no files left
			time.Sleep(time.Millisecond)
			continue
		}
		s.work.Go(func() { s.handle(ln, conn) })
	}
}

func (s *upstream) handle(ln net.Listener, raw net.Conn) {
	conn := raw
	if s.tls != nil {
		conn = tls.Server(raw, s.tls)
	}
	s.mu.Lock()
	if s.listener != ln {
		s.mu.Unlock()
		raw.Close()
		return
	}
	s.conns[conn] = true
	s.seen[raw.RemoteAddr().String()] = true
	s.accepted++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.done++
	}()
	if secure, ok := conn.(*tls.Conn); ok {
		if err := secure.Handshake(); err != nil {
			s.close(conn)
			return
		}
		if secure.ConnectionState().DidResume {
			s.mu.Lock()
			s.resumed++
			s.mu.Unlock()
		}
	}
	s.serve(conn)
}

// close closes one connection.
func (s *upstream) close(conn net.Conn) {
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	conn.Close()
}

// closeAll closes every connection, and accepts others.
func (s *upstream) closeAll() {
	s.mu.Lock()
	conns := s.conns
	s.conns = make(map[net.Conn]bool)
	s.mu.Unlock()
	for conn := range conns {
		conn.Close()
	}
}

// stop closes the listener and every connection.
func (s *upstream) stop() {
	s.mu.Lock()
	ln := s.listener
	s.listener = nil
	s.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	s.closeAll()
	s.work.Wait()
}

func (s *upstream) counts() (accepted, resumed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted, s.resumed
}

// open returns how many connections are being served.
func (s *upstream) open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted - s.done
}

// echo answers with what it reads.
func echo(conn net.Conn) {
	defer conn.Close()
	_, _ = io.Copy(conn, conn)
}

// silent reads and says nothing.
func silent(conn net.Conn) {
	defer conn.Close()
	_, _ = io.Copy(io.Discard, conn)
}

// exchange sends a line to an echo server and reads it back.
func exchange(conn net.Conn) error {
	if _, err := conn.Write([]byte("hello\n")); err != nil {
		return err
	}
	buf := make([]byte, 6)
	if _, err := io.ReadFull(conn, buf); err != nil {
		return err
	}
	if string(buf) != "hello\n" {
		return errors.New("the echo is wrong: " + string(buf))
	}
	return nil
}

// has waits until the server has accepted n connections: a client may have them before.
func (s *upstream) has(n int) {
	s.Helper()
	eventually(s, "the server did not accept all connections", func() bool {
		accepted, _ := s.counts()
		return accepted >= n
	})
}

// closeFrom closes the connection of a client, as soon as the server has accepted it.
func (s *upstream) closeFrom(client net.Addr) {
	from := client.String()
	eventually(s, "the server did not accept the connection", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.seen[from]
	})
	s.mu.Lock()
	var found net.Conn
	for conn := range s.conns {
		if conn.RemoteAddr().String() == from {
			found = conn
		}
	}
	s.mu.Unlock()
	if found != nil {
		s.close(found)
	}
}

// refuse accepts no connections from now on, and leaves alone those that there are.
func (s *upstream) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	s.listener = nil
}

// recover ends what refuse has begun.
func (s *upstream) recover() {
	s.mu.Lock()
	refuses := s.listener == nil
	s.mu.Unlock()
	if refuses {
		s.start()
	}
}
