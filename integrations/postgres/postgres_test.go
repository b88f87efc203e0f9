// Package postgres tries pgx, unchanged, over a pool of TLS connections to a real
// PostgreSQL server.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/integrations/internal/outage"
	"github.com/vistone/poolkit/integrations/internal/servers"
	"github.com/vistone/poolkit/integrations/internal/start"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// askForTLS opens a connection and agrees with the server to speak TLS on it from then
// on: PostgreSQL does not begin with that. The pool goes on with the handshake.
func askForTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	answer := make([]byte, 1)
	_, err = c.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}) // SSLRequest: its length, and 1234.5679
	if err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err == nil && answer[0] != 'S' {
		err = poolkit.Permanent(fmt.Errorf("%s does not speak TLS", addr))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// dial returns a pool that keeps n connections ready.
func dial(tb testing.TB, s *servers.Server, n int) *poolkit.Pool[*tcp.Conn] {
	tb.Helper()
	pool, err := tcp.Dial(tcp.DialConfig{
		Addr: s.Addr, DialContext: askForTLS, TLS: s.TLS, MinCapacity: n, MaxCapacity: n,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { pool.Close() })
	if err := pool.WaitReady(tb.Context(), 0); err != nil {
		tb.Fatal(err)
	}
	return pool
}

// config is how to connect to s: by itself, or over a pool, on which TLS is spoken
// already.
func config(tb testing.TB, s *servers.Server, pool *poolkit.Pool[*tcp.Conn]) *pgxpool.Config {
	tb.Helper()
	c, err := pgxpool.ParseConfig("postgres://poolkit@" + s.Addr + "/postgres?sslmode=disable")
	if err != nil {
		tb.Fatal(err)
	}
	if pool == nil {
		c.ConnConfig.TLSConfig = s.TLS
	} else {
		c.ConnConfig.DialFunc = poolnet.NewDialer(pool).DialContext
	}
	return c
}

func TestPgxSurvivesARestart(t *testing.T) {
	s := servers.Postgres(t)
	pool := dial(t, s, 8)
	conf := config(t, s, pool)
	conf.MaxConns = outage.Clients
	db, err := pgxpool.NewWithConfig(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	outage.Survive(t, s, pool, func(ctx context.Context) error {
		var two int
		err := db.QueryRow(ctx, "select 1 + 1").Scan(&two)
		if err == nil && two != 2 {
			t.Errorf("1 + 1 = %d", two)
		}
		return err
	})
}

// A client that has just been started needs its first answer: the pool has done the
// TLS handshake already.
func BenchmarkColdStart(b *testing.B) {
	s := servers.Postgres(b)
	pool := dial(b, s, 4)
	first := func(conf *pgxpool.Config) error {
		ctx := context.Background()
		c, err := pgx.ConnectConfig(ctx, conf.ConnConfig)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		return c.Ping(ctx)
	}
	bare, pooled := config(b, s, nil), config(b, s, pool)
	start.Compare(b, pool,
		func() error { return first(bare) },
		func() error { return first(pooled) })
}
