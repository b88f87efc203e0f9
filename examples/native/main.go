// Native shows the native API: pools that lend out leases, with contexts,
// statistics and a drain.
//
//	go run ./examples/native
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/examples/internal/freeport"
	"github.com/vistone/poolkit/internal/selfsigned"
	"github.com/vistone/poolkit/poolkit"
)

func main() {
	n := flag.Int("n", 5, "how many streams to talk on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *n); err != nil {
		fmt.Fprintln(os.Stderr, "native:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()

	server, client, err := pools()
	if err != nil {
		return err
	}
	defer server.Close()
	defer client.Close()

	if err := client.WaitReady(ctx, 0); err != nil { // until it has as many as it wants
		return err
	}
	fmt.Println("ready:", describe(client.Stats()))
	for i := range n {
		if err := talk(ctx, server, client, fmt.Sprintf("hello %d", i+1)); err != nil {
			return err
		}
	}
	fmt.Println("after:", describe(client.Stats()))

	// Shutdown waits until every lease has ended. By now all have.
	return errors.Join(client.Shutdown(ctx), server.Shutdown(ctx))
}

// pools starts a server and a client that trusts it.
func pools() (server, client *poolkit.Pool[*quic.StreamConn], err error) {
	cert, err := selfsigned.Certificate()
	if err != nil {
		return nil, nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)

	addr, err := freeport.UDP("127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server, err = quic.Listen(quic.ListenConfig{
		Addr: addr,
		TLS:  &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	if err != nil {
		return nil, nil, err
	}
	client, err = quic.Dial(quic.DialConfig{
		Addr:        addr,
		TLS:         &tls.Config{RootCAs: trusted},
		MinCapacity: 16,
		MaxCapacity: 64,
	})
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return server, client, nil
}

// talk takes any stream at the server, the same one at the client, and sends a line
// there and back.
func talk(ctx context.Context, server, client *poolkit.Pool[*quic.StreamConn], line string) error {
	there, err := server.Acquire(ctx)
	if err != nil {
		return err
	}
	defer there.Release()
	here, err := client.AcquireID(ctx, there.ID())
	if err != nil {
		return err
	}
	defer here.Release()

	heard, err := say(here.Conn(), there.Conn(), line)
	if err != nil {
		return err
	}
	answer, err := say(there.Conn(), here.Conn(), strings.ToUpper(heard))
	if err != nil {
		return err
	}
	fmt.Printf("stream %v on shard %d: said %q, heard %q\n", here.ID(), here.Shard(), line, answer)
	return nil
}

// say writes line at one end of a stream and reads it at the other.
func say(from, to *quic.StreamConn, line string) (string, error) {
	if _, err := io.WriteString(from, line); err != nil {
		return "", err
	}
	if err := from.CloseWrite(); err != nil { // so that the reader sees the end
		return "", err
	}
	heard, err := io.ReadAll(to)
	return string(heard), err
}

func describe(s poolkit.Stats) string {
	return fmt.Sprintf("%d streams idle of %d wanted, %d on loan, on %d shards; %d acquired, %d of them after a wait",
		s.Idle, s.Capacity, s.OnLoan, s.Shards, s.Acquires, s.Waits)
}
