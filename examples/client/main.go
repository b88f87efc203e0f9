// Client is the client of the two-process example. It asks the server over HTTP for
// the ID of a stream, finds that stream in its own pool, and talks to the server on
// it.
//
//	go run ./examples/server    # in another terminal
//	go run ./examples/client
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/vistone/poolkit/backends/quic"
)

// patience is how long the client waits for an ID, for a stream, and for an answer.
const patience = 10 * time.Second

func main() {
	server := flag.String("server", "127.0.0.1:4433", "UDP `address` of the server's pool")
	api := flag.String("api", "http://127.0.0.1:8433", "`URL` of the server that issues stream IDs")
	minStreams := flag.Int("min", 5, "how many idle streams to keep at least")
	maxStreams := flag.Int("max", 20, "how many idle streams to keep at most")
	n := flag.Int("n", 10, "how many requests to make")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	pool := quic.NewClientPool(
		*minStreams, *maxStreams,
		500*time.Millisecond, 5*time.Second,
		0,                // keep-alive: the default
		"1", "localhost", // the server's certificate is self-signed
		func() (string, error) { return *server, nil })
	pool.ClientManager()
	err := run(ctx, pool, *api, *n)
	pool.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, pool *quic.Pool, api string, n int) error {
	for i := range n {
		id, err := issue(ctx, api)
		if err != nil {
			return fmt.Errorf("ask for a stream: %w", err)
		}
		answer, err := talk(pool, id, fmt.Sprintf("hello %d", i+1))
		if err != nil {
			return fmt.Errorf("talk on stream %s: %w", id, err)
		}
		fmt.Print("client: ", answer)
	}
	fmt.Printf("client: made %d requests, each on a stream of its own\n", n)
	return nil
}

// issue asks the server for the ID of a stream it has taken.
func issue(ctx context.Context, api string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, api+"/stream", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", api, resp.Status)
	}
	var id string
	err = json.NewDecoder(resp.Body).Decode(&id)
	return id, err
}

// talk says one line on the stream and returns the answer.
func talk(pool *quic.Pool, id, line string) (string, error) {
	stream, err := pool.OutgoingGet(id, patience)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	if err := stream.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(stream, line); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(stream)
	return string(answer), err
}
