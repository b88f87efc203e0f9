// Server is the server of the two-process example. It takes streams out of its pool
// for clients that ask for one over HTTP, and answers what they say on it.
//
//	go run ./examples/server
//	go run ./examples/client    # in another terminal
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/examples/internal/freeport"
	"github.com/vistone/poolkit/internal/selfsigned"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:4433", "UDP `address` of the pool; port 0 is any free one")
	api := flag.String("api", "127.0.0.1:8433", "TCP `address` at which clients ask for stream IDs; port 0 is any free one")
	streams := flag.Int("streams", 20, "how many idle streams the clients are expected to keep")
	n := flag.Int("n", 0, "end after this `number` of requests; 0 is never")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *api, *streams, *n); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, api string, streams, n int) error {
	cert, err := selfsigned.Certificate()
	if err != nil {
		return err
	}
	if listen, err = freeport.UDP(listen); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", api)
	if err != nil {
		return err
	}

	pool := quic.NewServerPool(streams, "", &tls.Config{Certificates: []tls.Certificate{cert}}, listen, 0)
	defer pool.Close()
	pool.ServerManager()

	s := &server{pool: pool, wanted: n, done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /stream", s.issue)
	web := &http.Server{Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(ln) }()
	fmt.Printf("server: streams at %s, their IDs at http://%s/stream\n", listen, ln.Addr())

	select {
	case <-s.done:
	case <-ctx.Done():
	case err := <-ended:
		return err
	}
	err = web.Shutdown(context.WithoutCancel(ctx))
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.talks.Wait()
	fmt.Printf("server: answered %d requests\n", s.answered.Load())
	return err
}

// server answers the clients.
type server struct {
	pool     *quic.Pool
	wanted   int           // requests to answer; 0 is no end
	done     chan struct{} // closed when all those wanted have been answered
	answered atomic.Int64
	talks    sync.WaitGroup // streams being answered on
}

// issue takes a stream, tells the client its ID, and waits there for a request.
func (s *server) issue(w http.ResponseWriter, _ *http.Request) {
	id, stream, err := s.pool.IncomingGet(10 * time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	s.talks.Go(func() {
		defer stream.Close()
		if err := s.answer(id, stream); err != nil {
			fmt.Fprintf(os.Stderr, "server: stream %s: %v\n", id, err)
			return
		}
		if s.answered.Add(1) == int64(s.wanted) {
			close(s.done)
		}
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(id) // a client that has gone needs no answer
}

// answer answers one line with another.
func (s *server) answer(id string, stream net.Conn) error {
	if err := stream.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	line, err := bufio.NewReader(stream).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	if _, err := fmt.Fprintf(stream, "on stream %s you said: %s", id, line); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	if err := stream.(*quic.StreamConn).CloseWrite(); err != nil {
		return fmt.Errorf("end the answer: %w", err)
	}
	// The client closes when it has read all of it, or ends altogether. Only then may
	// the server end.
	_, _ = io.Copy(io.Discard, stream)
	return nil
}
