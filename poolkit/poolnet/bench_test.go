package poolnet_test

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
	"github.com/vistone/poolkit/sizing"
)

// noConn costs nothing, so that what is measured is the adapter.
type noConn struct{}

func (*noConn) Read(p []byte) (int, error)       { return len(p), nil }
func (*noConn) Write(p []byte) (int, error)      { return len(p), nil }
func (*noConn) Close() error                     { return nil }
func (*noConn) LocalAddr() net.Addr              { return nil }
func (*noConn) RemoteAddr() net.Addr             { return nil }
func (*noConn) SetDeadline(time.Time) error      { return nil }
func (*noConn) SetReadDeadline(time.Time) error  { return nil }
func (*noConn) SetWriteDeadline(time.Time) error { return nil }

// noConns is a full pool of n such members, which come back.
func noConns(tb testing.TB, n int) *poolkit.Pool[*noConn] {
	tb.Helper()
	var made atomic.Uint32
	p := open(tb, poolkit.Config[*noConn]{
		Dialer: poolkit.DialerFunc[*noConn](func(context.Context, int) (poolkit.ID, *noConn, error) {
			n := made.Add(1)
			return poolkit.ID{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, new(noConn), nil
		}),
		Shut:        (*noConn).Close,
		MinCapacity: n, MaxCapacity: n, Sizing: sizing.Fixed(n),
		Places: 2 * n, MaxShards: 1,
	})
	if err := p.WaitReady(tb.Context(), n); err != nil {
		tb.Fatal(err)
	}
	return p
}

func noReturns(tb testing.TB, p *poolkit.Pool[*noConn]) *poolnet.Dialer[*noConn] {
	tb.Helper()
	d, err := poolnet.NewDialer(p).Returning()
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestADialAllocatesOnce(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	p := noConns(t, 64)
	ctx := t.Context()
	returning := noReturns(t, p)
	if n := testing.AllocsPerRun(1000, func() {
		c, _ := returning.DialContext(ctx, "tcp", "example.com:80")
		c.Close()
	}); n != 1 {
		t.Errorf("%v allocations for a dial and its Close, want 1", n)
	}
}

func TestReadingAndWritingAllocateNothing(t *testing.T) {
	c := dial(t, poolnet.NewDialer(noConns(t, 1)))
	defer c.Close()
	p := make([]byte, 1024)
	now := time.Now()
	for name, f := range map[string]func(){
		"Read":        func() { _, _ = c.Read(p) },
		"Write":       func() { _, _ = c.Write(p) },
		"SetDeadline": func() { _ = c.SetDeadline(now) },
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%v allocations for %s, want none", n, name)
		}
	}
}

// What a dial and its Close cost, beside what the pool takes for the same.
func BenchmarkDialAndClose(b *testing.B) {
	p := noConns(b, 64)
	ctx := b.Context()
	d := noReturns(b, p)
	b.Run("pool alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l, _ := p.Acquire(ctx)
			l.Release()
		}
	})
	b.Run("returning", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, _ := d.DialContext(ctx, "tcp", "example.com:80")
			c.Close()
		}
	})
	b.Run("returning after a deadline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, _ := d.DialContext(ctx, "tcp", "example.com:80")
			_ = c.SetDeadline(time.Time{})
			c.Close()
		}
	})
}

// What a call costs, beside the member's own, which is nothing.
func BenchmarkRead(b *testing.B) { benchmarkCall(b, net.Conn.Read) }

func BenchmarkWrite(b *testing.B) { benchmarkCall(b, net.Conn.Write) }

func benchmarkCall(b *testing.B, call func(net.Conn, []byte) (int, error)) {
	pool := noConns(b, 2)
	ends, returns := dial(b, poolnet.NewDialer(pool)), dial(b, noReturns(b, pool))
	defer ends.Close()
	defer returns.Close()
	p := make([]byte, 1024)
	for _, on := range []struct {
		name string
		conn net.Conn
	}{{"member alone", memberOf[*noConn](b, ends)}, {"ending", ends}, {"returning", returns}} {
		b.Run(on.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = call(on.conn, p)
			}
		})
	}
}

// What it takes to open, accept and close a connection, at both ends, with the pipe and
// the goroutines that belong to it.
func BenchmarkAccept(b *testing.B) {
	client, server := pair(b, 64)
	l := listen(b, server, poolnet.ListenerConfig{})
	d := poolnet.NewDialer(client)
	b.ReportAllocs()
	for b.Loop() {
		here := dial(b, d)
		go func() { _, _ = io.WriteString(here, "x") }()
		there, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		there.Close()
		here.Close()
	}
}
