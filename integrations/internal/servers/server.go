//go:build unix

// Package servers starts real servers on loopback, which a test can kill and start
// again.
package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Server is a server on a loopback address of its own. It is killed when the test ends.
type Server struct {
	Addr string
	TLS  *tls.Config // by which a client trusts it

	tb      testing.TB
	command func() *exec.Cmd
	ready   func(context.Context) error
	running *process
}

// starting is how long a server may take to answer. It is generous: machines are busy.
const starting = time.Minute

// Start starts the server, and returns when it answers.
func (s *Server) Start() {
	s.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), starting)
	defer cancel()
	s.running = run(s.tb, s.command())
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		err := s.ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-look.C:
		case <-s.running.ended: // what was killed before may have left something behind
			s.running = run(s.tb, s.command())
		case <-ctx.Done():
			failed := s.running
			s.Kill()
			s.tb.Fatalf("%s does not answer: %v\n%s", failed.command, err, failed.output.Bytes())
		}
	}
}

// Kill ends the server at once, as a crash does, and returns when it has gone.
func (s *Server) Kill() {
	if s.running != nil {
		s.running.kill()
		s.running = nil
	}
}

// open starts a server for the first time.
func (s *Server) open() *Server {
	s.tb.Cleanup(s.Kill)
	s.Start()
	return s
}

// program returns where a program is. Where it is not installed the test is skipped,
// unless POOLKIT_SERVERS is set.
func program(tb testing.TB, names ...string) string {
	tb.Helper()
	var errs []error
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err == nil {
			return path
		}
		if found, _ := filepath.Glob(name); len(found) > 0 {
			return found[len(found)-1]
		}
		errs = append(errs, err)
	}
	if os.Getenv("POOLKIT_SERVERS") != "" {
		tb.Fatal(errors.Join(errs...))
	}
	tb.Skipf("install it to run this test: %v", errors.Join(errs...))
	return ""
}

// freeAddr returns a loopback address that nobody listens on.
func freeAddr(tb testing.TB) (addr, port string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr = l.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	return addr, port
}

// trusting returns the configuration of a client that trusts one certificate.
func trusting(cert *x509.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}
}

// answersTLS waits for a TLS handshake.
func answersTLS(addr string, conf *tls.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		d := tls.Dialer{Config: conf}
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return fmt.Errorf("connect to %s: %w", addr, err)
		}
		return c.Close()
	}
}
