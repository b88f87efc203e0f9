// Package grpc tries gRPC, client and server unchanged, over pools of QUIC streams.
package grpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/integrations/internal/outage"
	"github.com/vistone/poolkit/integrations/internal/servers"
	"github.com/vistone/poolkit/integrations/internal/start"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

func TestMain(m *testing.M) {
	servers.Serve(serve)
	os.Exit(m.Run())
}

// serve is the server: it says that it is well.
func serve(addr string, conf *tls.Config) error {
	// With a secret that outlives it, clients notice a restart at once. A real one is
	// drawn from crypto/rand, once, and kept.
	secret := []byte("the same after every restart")
	pool, err := quic.Listen(quic.ListenConfig{Addr: addr, TLS: conf, Secret: secret})
	if err != nil {
		return err
	}
	listener, err := poolnet.NewListener(pool, poolnet.ListenerConfig{})
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	return server.Serve(listener)
}

// dial returns a pool that keeps n streams ready.
func dial(s *servers.Server, n int) (*poolkit.Pool[*quic.StreamConn], error) {
	return quic.Dial(quic.DialConfig{Addr: s.Addr, TLS: s.TLS, MinCapacity: n, MaxCapacity: n})
}

// over returns a client over a pool. To gRPC the streams are plain: QUIC encrypts them.
func over(pool *poolkit.Pool[*quic.StreamConn]) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(poolnet.NewDialer(pool).DialAddr),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func call(ctx context.Context, client *grpc.ClientConn) error {
	answer, err := healthpb.NewHealthClient(client).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err == nil && answer.Status != healthpb.HealthCheckResponse_SERVING {
		err = fmt.Errorf("the server is %v", answer.Status)
	}
	return err
}

// ready makes one call over a pool of its own.
func ready(ctx context.Context, s *servers.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	pool, err := dial(s, 1)
	if err != nil {
		return err
	}
	defer pool.Close()
	client, err := over(pool)
	if err != nil {
		return err
	}
	defer client.Close()
	return call(ctx, client)
}

// running returns a server, and a pool that is full.
func running(tb testing.TB, n int) (*servers.Server, *poolkit.Pool[*quic.StreamConn]) {
	tb.Helper()
	s := servers.Own(tb, ready)
	pool, err := dial(s, n)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { pool.Close() })
	if err := pool.WaitReady(tb.Context(), 0); err != nil {
		tb.Fatal(err)
	}
	return s, pool
}

func TestGRPCSurvivesARestart(t *testing.T) {
	s, pool := running(t, 8)
	client, err := over(pool)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	outage.Survive(t, s, pool, func(ctx context.Context) error { return call(ctx, client) })
}

// A client that has just been started needs its first answer. Without a pool it sets up
// a QUIC connection first.
func BenchmarkColdStart(b *testing.B) {
	s, pool := running(b, 4)
	first := func(pool *poolkit.Pool[*quic.StreamConn]) error {
		client, err := over(pool)
		if err != nil {
			return err
		}
		defer client.Close()
		return call(context.Background(), client)
	}
	start.Compare(b, pool,
		func() error {
			cold, err := dial(s, 1)
			if err != nil {
				return err
			}
			defer cold.Close()
			return first(cold)
		},
		func() error { return first(pool) })
}
