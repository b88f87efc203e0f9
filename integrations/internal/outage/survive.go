//go:build unix

// Package outage kills servers while they are in use.
package outage

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/integrations/internal/servers"
	"github.com/vistone/poolkit/poolkit"
)

// Clients is how many use a server at once.
const Clients = 64

// lasts is how long the server is away.
const lasts = 200 * time.Millisecond

// patience bounds what should take no time. Machines are busy.
const patience = time.Minute

// Survive kills a server that many clients use, and starts it again, three times. Each
// time every client has to be served again, and the pool to come back to its target.
func Survive[C any](t *testing.T, s *servers.Server, pool *poolkit.Pool[C], request func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var clients [Clients]client
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { clients[i].run(ctx, request) })
	}
	defer all.Wait()
	defer stop()

	served(t, &clients)
	for range 3 {
		before := failures(&clients)
		s.Kill()
		wait(ctx, lasts) // some clients fail meanwhile, others wait
		s.Start()
		begun := time.Now()
		served(t, &clients)
		again := time.Since(begun)
		ready, cancel := context.WithTimeout(ctx, patience)
		if err := pool.WaitReady(ready, 0); err != nil {
			t.Errorf("after the server's return: %v", err)
		}
		cancel()
		t.Logf("all clients served %v after the server's return, the pool full after %v, %d requests failed",
			again.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), failures(&clients)-before)

		// From now on there is no reason to fail.
		before = failures(&clients)
		for range 10 {
			served(t, &clients)
		}
		if n := failures(&clients) - before; n > 0 {
			t.Errorf("%d requests failed although the server was back", n)
		}
	}
}

// client makes one request after the other.
type client struct{ served, failed atomic.Int64 }

func (c *client) run(ctx context.Context, request func(context.Context) error) {
	for ctx.Err() == nil {
		switch err := request(ctx); {
		case err == nil:
			c.served.Add(1)
		case ctx.Err() == nil:
			c.failed.Add(1)
			wait(ctx, time.Millisecond) // as a client would, at the least
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// served waits until each client has had an answer to a question asked from now on.
func served(t *testing.T, clients *[Clients]client) {
	t.Helper()
	var before [Clients]int64
	for i := range clients {
		before[i] = clients[i].served.Load() + 1 // the first may have been asked before
	}
	until(t, "every client is served", func() bool {
		for i := range clients {
			if clients[i].served.Load() <= before[i] {
				return false
			}
		}
		return true
	})
}

func failures(clients *[Clients]client) (n int64) {
	for i := range clients {
		n += clients[i].failed.Load()
	}
	return n
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !done() {
		if ctx.Err() != nil {
			t.Fatalf("waited in vain until %s", what)
		}
		wait(ctx, time.Millisecond)
	}
}
