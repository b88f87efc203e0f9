//go:build unix

package servers

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
)

// How a test binary is told that it is the server.
const (
	addrVariable = "POOLKIT_SERVE_ADDR"
	certVariable = "POOLKIT_SERVE_CERT"
	keyVariable  = "POOLKIT_SERVE_KEY"
)

// Own starts this test binary again, as a server on a UDP port. TestMain has to call
// [Serve].
func Own(tb testing.TB, ready func(context.Context, *Server) error) *Server {
	tb.Helper()
	cert, certFile, keyFile := certificate(tb, tb.TempDir())
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := socket.LocalAddr().String()
	if err := socket.Close(); err != nil {
		tb.Fatal(err)
	}
	s := &Server{Addr: addr, TLS: trusting(cert), tb: tb}
	s.command = func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), addrVariable+"="+addr, certVariable+"="+certFile, keyVariable+"="+keyFile)
		return c
	}
	s.ready = func(ctx context.Context) error { return ready(ctx, s) }
	return s.open()
}

// Serve does nothing in a test. In the process that [Own] has started it calls serve,
// and does not return.
func Serve(serve func(addr string, conf *tls.Config) error) {
	addr := os.Getenv(addrVariable)
	if addr == "" {
		return
	}
	cert, err := tls.LoadX509KeyPair(os.Getenv(certVariable), os.Getenv(keyVariable))
	if err == nil {
		err = serve(addr, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
