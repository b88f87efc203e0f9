//go:build unix

package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Postgres starts a PostgreSQL server with an empty database postgres and the user
// poolkit, who needs no password. It takes TLS and plain connections.
func Postgres(tb testing.TB) *Server {
	tb.Helper()
	path := program(tb, "postgres", "/usr/lib/postgresql/*/bin/postgres")
	dir, err := os.MkdirTemp("", "poolkit-postgres-") //nolint:usetesting // others may not enter TempDir
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	cert, certFile, keyFile := certificate(tb, dir)
	as := ordinaryUser(tb, dir, certFile, keyFile)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(filepath.Dir(path), "initdb"), "-D", data, "-U", "poolkit", "-A", "trust", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		tb.Fatalf("%s: %v\n%s", initdb, err, out)
	}

	addr, port := freeAddr(tb)
	s := &Server{Addr: addr, TLS: trusting(cert), tb: tb}
	s.command = func() *exec.Cmd {
		c := exec.Command(path, "-D", data, "-h", "127.0.0.1", "-p", port, "-k", "", "-F",
			"-c", "max_connections=300",
			"-c", "ssl=on", "-c", "ssl_cert_file="+certFile, "-c", "ssl_key_file="+keyFile)
		own := *as
		c.SysProcAttr, c.Dir = &own, dir
		return c
	}
	s.ready = func(ctx context.Context) error { return takesQueries(ctx, addr) }
	return s.open()
}

// takesQueries reports whether a PostgreSQL server has recovered: it then asks for
// TLS and for a start-up message, and does not refuse the latter.
func takesQueries(ctx context.Context, addr string) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", addr, err)
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	// A StartupMessage of protocol 3.0: its length, the version, and parameters.
	const parameters = "user\x00poolkit\x00database\x00postgres\x00\x00"
	message := []byte{0, 0, 0, byte(8 + len(parameters)), 0, 3, 0, 0}
	if _, err := c.Write(append(message, parameters...)); err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	answer := make([]byte, 1)
	if _, err := c.Read(answer); err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	if answer[0] != 'R' { // an authentication message
		return fmt.Errorf("%s answers %q: it is not ready yet", addr, answer)
	}
	return nil
}

// ordinaryUser says as whom PostgreSQL runs, which refuses to be root, and gives that
// user the files.
func ordinaryUser(tb testing.TB, files ...string) *syscall.SysProcAttr {
	tb.Helper()
	if os.Getuid() != 0 {
		return new(syscall.SysProcAttr)
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		tb.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		if err := os.Chown(file, int(uid), int(gid)); err != nil {
			tb.Fatal(err)
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
