// Tcp keeps TLS connections to a server ready: what that saves, and what becomes of
// them when the server is restarted while clients use it.
//
//	go run ./examples/tcp
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/internal/selfsigned"
	"github.com/vistone/poolkit/poolkit"
)

func main() {
	clients := flag.Int("clients", 64, "how many use the server at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *clients); err != nil {
		fmt.Fprintln(os.Stderr, "tcp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, clients int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	cert, err := selfsigned.Certificate()
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)
	conf := &tls.Config{RootCAs: trusted}

	server := &server{tls: &tls.Config{Certificates: []tls.Certificate{cert}}, addr: "127.0.0.1:0"}
	if err := server.start(); err != nil {
		return err
	}
	defer server.kill()

	pool, err := tcp.Dial(tcp.DialConfig{Addr: server.addr, TLS: conf, MinCapacity: 16, MaxCapacity: 64})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := pool.WaitReady(ctx, 0); err != nil {
		return err
	}
	if err := compare(ctx, pool, server.addr, conf); err != nil {
		return err
	}
	return restart(ctx, pool, server, clients)
}

// compare measures a request over a connection of the pool, and over one that has to be
// made first.
func compare(ctx context.Context, pool *poolkit.Pool[*tcp.Conn], addr string, conf *tls.Config) error {
	pooled, err := median(100, func() error { return request(ctx, pool) })
	if err != nil {
		return err
	}
	dialled, err := median(100, func() error {
		conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		return ask(conn)
	})
	if err != nil {
		return err
	}
	fmt.Printf("a request takes %v with the pool and %v without: %.0f times less, though there is no network between\n",
		pooled, dialled, float64(dialled)/float64(pooled))
	return nil
}

// request is what a client does: it borrows a connection, and gives it back.
func request(ctx context.Context, pool *poolkit.Pool[*tcp.Conn]) error {
	lease, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer lease.Release() // one that failed is not lent again
	return ask(lease.Conn())
}

func ask(conn net.Conn) error {
	if _, err := io.WriteString(conn, "ping"); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 4))
	return err
}

// median calls f n times and returns how long it takes.
func median(n int, f func() error) (time.Duration, error) {
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[n/2].Round(time.Microsecond), nil
}

// restart kills the server while clients use it, and starts it again.
func restart(ctx context.Context, pool *poolkit.Pool[*tcp.Conn], server *server, clients int) error {
	var served, failed atomic.Int64
	work, stop := context.WithCancel(ctx)
	var crowd sync.WaitGroup
	for range clients {
		crowd.Go(func() { // ends with work
			for work.Err() == nil {
				if request(work, pool) == nil {
					served.Add(1)
				} else if work.Err() == nil {
					failed.Add(1)
				}
			}
		})
	}
	defer crowd.Wait()
	defer stop()

	time.Sleep(200 * time.Millisecond)
	before := served.Load()
	server.kill()
	fmt.Printf("%d requests by %d clients, then the server is killed\n", before, clients)
	time.Sleep(300 * time.Millisecond)
	if err := server.start(); err != nil {
		return err
	}
	start := time.Now()
	if err := pool.WaitReady(ctx, 0); err != nil {
		return err
	}
	fmt.Printf("it is back, and %v later the pool is full: %v\n", time.Since(start).Round(time.Millisecond), describe(pool.Stats()))
	time.Sleep(200 * time.Millisecond)
	stop()
	crowd.Wait()
	fmt.Printf("%d requests more; %d failed, which were under way when the server was killed\n", served.Load()-before, failed.Load())
	if served.Load() == before {
		return errors.New("nobody was served after the restart")
	}
	return nil
}

func describe(s poolkit.Stats) string {
	return fmt.Sprintf("%d idle of %d wanted, %d on loan, %d made in all", s.Idle, s.Capacity, s.OnLoan, s.Created)
}
