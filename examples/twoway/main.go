// Twoway shows two ends that are equals: over one link, both take streams and ask,
// both find the streams the other has taken and answer, at the same time.
//
//	go run ./examples/twoway
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/examples/internal/control"
	"github.com/vistone/poolkit/examples/internal/freeport"
	"github.com/vistone/poolkit/examples/internal/ready"
	"github.com/vistone/poolkit/internal/selfsigned"
)

const (
	patience = 10 * time.Second // of everybody, for everything

	// streams is how many the pools keep ready. The server takes the oldest and the
	// client the youngest, so they do not take the same, unless one end takes nearly all
	// before the other has heard what was taken: a busy machine may be slow to tell.
	streams = 512
)

func main() {
	n := flag.Int("n", 5, "how many questions each end asks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *n); err != nil {
		fmt.Fprintln(os.Stderr, "twoway:", err)
		os.Exit(1)
	}
	fmt.Printf("twoway: each end asked %d questions and answered %d\n", *n, *n)
}

func run(ctx context.Context, n int) error {
	cert, err := selfsigned.Certificate()
	if err != nil {
		return err
	}
	addr, err := freeport.UDP("127.0.0.1:0")
	if err != nil {
		return err
	}
	server := quic.NewServerPool(streams, "", &tls.Config{Certificates: []tls.Certificate{cert}}, addr, 0)
	defer server.Close()
	server.ServerManager()
	client := quic.NewClientPool(streams, streams, time.Second, time.Second, 0, "1", "localhost",
		func() (string, error) { return addr, nil })
	defer client.Close()
	client.ClientManager()

	a, err := open("server", server)
	if err != nil {
		return err
	}
	defer a.control.Close()
	b, err := open("client", client)
	if err != nil {
		return err
	}
	defer b.control.Close()

	if err := ready.Wait(ctx, streams, server, client); err != nil {
		return err
	}
	return together(ctx, n, a.ask, a.answer, b.ask, b.answer)
}

// together runs all parts at the same time. The first that fails ends the others.
func together(ctx context.Context, n int, parts ...func(context.Context, int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	var running sync.WaitGroup
	for i, part := range parts {
		running.Go(func() {
			if errs[i] = part(ctx, n); errs[i] != nil {
				cancel()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// end is one of the two.
type end struct {
	name    string
	pool    *quic.Pool
	control *control.Stream
}

func open(name string, pool *quic.Pool) (*end, error) {
	c, err := control.Open(pool, patience)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &end{name: name, pool: pool, control: c}, nil
}

// ask takes n streams, one after another, announces each, and asks on it.
func (e *end) ask(ctx context.Context, n int) error {
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.askOnce(i + 1); err != nil {
			return fmt.Errorf("%s asks: %w", e.name, err)
		}
	}
	return nil
}

func (e *end) askOnce(i int) error {
	id, stream, err := e.pool.IncomingGet(patience)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := e.control.Announce(id); err != nil {
		return err
	}
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stream, "question %d of the %s\n", i, e.name); err != nil {
		return err
	}
	answer, err := bufio.NewReader(stream).ReadString('\n')
	if err != nil {
		return err
	}
	fmt.Printf("%s, on stream %s: %s", e.name, id, answer)
	return nil
}

// answer finds n streams that the other end announces, and answers on each.
func (e *end) answer(ctx context.Context, n int) error {
	for range n {
		id, err := e.control.Next(ctx)
		if err != nil {
			return fmt.Errorf("%s waits for a question: %w", e.name, err)
		}
		if err := e.answerOnce(id); err != nil {
			return fmt.Errorf("%s answers on stream %s: %w", e.name, id, err)
		}
	}
	return nil
}

func (e *end) answerOnce(id string) error {
	stream, err := e.pool.OutgoingGet(id, patience)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	question, err := bufio.NewReader(stream).ReadString('\n')
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stream, "the %s answers %s\n", e.name, strings.TrimSpace(question))
	return err
}
