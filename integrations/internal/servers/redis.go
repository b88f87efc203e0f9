//go:build unix

package servers

import (
	"os/exec"
	"testing"
)

// Redis starts a Redis server that speaks TLS only, and keeps nothing on disk.
func Redis(tb testing.TB) *Server {
	tb.Helper()
	path := program(tb, "redis-server")
	dir := tb.TempDir()
	cert, certFile, keyFile := certificate(tb, dir)
	addr, port := freeAddr(tb)
	s := &Server{Addr: addr, TLS: trusting(cert), tb: tb}
	s.command = func() *exec.Cmd {
		return exec.Command(path,
			"--bind", "127.0.0.1", "--port", "0", "--tls-port", port,
			"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-auth-clients", "no",
			"--tls-protocols", "TLSv1.2 TLSv1.3", "--dir", dir, "--save", "", "--appendonly", "no")
	}
	s.ready = answersTLS(addr, s.TLS)
	return s.open()
}
