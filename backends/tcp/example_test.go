package tcp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/internal/selfsigned"
	"github.com/vistone/poolkit/poolkit"
)

// A pool of connections to a server, with TLS. The handshakes are done before anybody
// asks.
func ExampleDial() {
	addr, roots, stop := serve()
	defer stop()
	pool, err := tcp.Dial(tcp.DialConfig{
		Addr:        addr,
		TLS:         &tls.Config{RootCAs: roots},
		MinCapacity: 4, MaxCapacity: 64,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lease, err := pool.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release() // it is used again, if all that the server answered was read

	answer, err := ask(lease.Conn(), "hello")
	if err != nil {
		log.Fatal(err)
	}
	state, _ := lease.Conn().ConnectionState()
	fmt.Println(answer, "over", tls.VersionName(state.Version))
	// Output: HELLO over TLS 1.3
}

// Connections are prepared once, and examined while they are idle. They are replaced
// before the server closes them, and from time to time, for what the address has come to
// mean.
func ExampleDialConfig() {
	addr, roots, stop := serve()
	defer stop()
	pool, err := tcp.Dial(tcp.DialConfig{
		Addr: addr, // or several, with commas between
		TLS:  &tls.Config{RootCAs: roots},
		Prepare: func(_ context.Context, c *tcp.Conn) error {
			answer, err := ask(c, "let me in")
			if err == nil && answer != "LET ME IN" {
				err = poolkit.Permanent(errors.New("wrong password")) // told to callers at once
			}
			return err
		},
		Probe: func(_ context.Context, c *tcp.Conn) error {
			_, err := ask(c, "ping")
			return err
		},
		ProbeInterval: 10 * time.Second,
		MaxIdle:       50 * time.Second, // the server waits for a minute
		MaxAge:        time.Hour,
		MaxOpen:       100,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := pool.WaitReady(context.Background(), 1); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	// Output: ready
}

// A server with a certificate of its own making is trusted by its key.
func ExampleDialConfig_trust() {
	addr, _, stop := serve()
	defer stop()
	pool, err := tcp.Dial(tcp.DialConfig{Addr: addr, Trust: trust.OnFirstUse(new(trust.Memory))})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	lease, err := pool.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release()
	fmt.Println(ask(lease.Conn(), "hello"))
	// Output: HELLO <nil>
}

// What has been hijacked is the caller's, and none of the pool's any more.
func ExampleConn_NetConn() {
	addr, roots, stop := serve()
	defer stop()
	pool, err := tcp.Dial(tcp.DialConfig{Addr: addr, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	lease, err := pool.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	lease.Hijack()
	conn := lease.Conn().NetConn()
	defer conn.Close()
	fmt.Printf("%T\n", conn)
	// Output: *tls.Conn
}

// ask sends a line and returns the answer.
func ask(conn net.Conn, line string) (string, error) {
	if _, err := fmt.Fprintln(conn, line); err != nil {
		return "", err
	}
	var answer strings.Builder
	for b := make([]byte, 1); ; answer.Write(b) {
		if _, err := io.ReadFull(conn, b); err != nil || b[0] == '\n' {
			return answer.String(), err
		}
	}
}

// serve starts a server that says everything in capitals. stop waits until its
// connections have ended.
func serve() (addr string, roots *x509.CertPool, stop func()) {
	cert, err := selfsigned.Certificate()
	if err != nil {
		log.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		log.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() { shout(conn) })
		}
	})
	return ln.Addr().String(), roots, func() {
		ln.Close()
		work.Wait()
	}
}

func shout(conn net.Conn) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		_, _ = fmt.Fprintln(conn, strings.ToUpper(lines.Text()))
	}
}
