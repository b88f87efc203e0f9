// Package redis tries go-redis, unchanged, over a pool of TLS connections to a real
// Redis server.
package redis

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/integrations/internal/outage"
	"github.com/vistone/poolkit/integrations/internal/servers"
	"github.com/vistone/poolkit/integrations/internal/start"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// dial returns a pool that keeps n connections ready.
func dial(tb testing.TB, s *servers.Server, n int) *poolkit.Pool[*tcp.Conn] {
	tb.Helper()
	pool, err := tcp.Dial(tcp.DialConfig{Addr: s.Addr, TLS: s.TLS, MinCapacity: n, MaxCapacity: n})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { pool.Close() })
	if err := pool.WaitReady(tb.Context(), 0); err != nil {
		tb.Fatal(err)
	}
	return pool
}

func TestGoRedisSurvivesARestart(t *testing.T) {
	s := servers.Redis(t)
	pool := dial(t, s, 8)
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr, Dialer: poolnet.NewDialer(pool).DialContext,
		PoolSize: outage.Clients, MaxRetries: -1, // every error is seen
	})
	defer client.Close()
	outage.Survive(t, s, pool, func(ctx context.Context) error {
		return client.Incr(ctx, "requests").Err()
	})
}

// A client that has just been started needs its first answer: the pool has done the
// TLS handshake already.
func BenchmarkColdStart(b *testing.B) {
	s := servers.Redis(b)
	pool := dial(b, s, 4)
	first := func(options *redis.Options) error {
		options.Addr = s.Addr
		client := redis.NewClient(options)
		defer client.Close()
		return client.Ping(context.Background()).Err()
	}
	start.Compare(b, pool,
		func() error { return first(&redis.Options{TLSConfig: s.TLS}) },
		func() error { return first(&redis.Options{Dialer: poolnet.NewDialer(pool).DialContext}) })
}
