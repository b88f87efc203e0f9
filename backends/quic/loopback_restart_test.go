package quic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
)

// loopback is where a server is on a real socket, which outlives it.
type loopback struct {
	testing.TB
	socket  net.PacketConn
	tls     *tls.Config
	early   bool          // with early data
	tickets chan struct{} // gets a token for each session that the client can resume; never closed
}

func newLoopback(t testing.TB, early bool) *loopback {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &loopback{TB: t, socket: socket, tls: simtest.Certificate(t), early: early, tickets: make(chan struct{}, 1000)}
}

// start starts a server that has the secret.
func (b *loopback) start() (*native, *acceptor) {
	b.Helper()
	k, err := deriveKeys(bytes.Repeat([]byte{7}, minSecret))
	if err != nil {
		b.Fatal(err)
	}
	a, err := listen(acceptorConfig{socket: b.socket, tls: b.tls, keys: k, early: b.early})
	if err != nil {
		b.Fatal(err)
	}
	server, err := poolkit.New(a.poolConfig(places, poolkit.Hooks{}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	return server, a
}

// dial starts a client of n streams.
func (b *loopback) dial(n int) *native {
	b.Helper()
	conf := simtest.Trust(b.tls)
	conf.ClientSessionCache = tickets{tls.NewLRUClientSessionCache(1), b.tickets}
	client, err := Dial(DialConfig{
		Addr: b.socket.LocalAddr().String(), TLS: conf, EarlyData: b.early,
		MinCapacity: n, MaxCapacity: n,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	return client
}

// tickets is a session cache that tells when it gets one.
type tickets struct {
	tls.ClientSessionCache
	put chan<- struct{}
}

func (c tickets) Put(key string, session *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, session)
	if session != nil {
		c.put <- struct{}{}
	}
}

// soon waits until pools have n idle streams.
func (b *loopback) soon(n int, pools ...*native) {
	b.Helper()
	ctx, stop := context.WithTimeout(b.Context(), time.Minute)
	defer stop()
	for _, p := range pools {
		if err := p.WaitReady(ctx, n); err != nil {
			b.Fatal(err)
		}
	}
}

// restarts crashes the server again and again, and returns the streams that are there
// afterwards. Nothing but an answer to what it sends tells the client: nobody says
// goodbye, and silence takes seconds to be noticed.
func (b *loopback) restarts(t *testing.T) (afterwards []lease) {
	const n = places / 2 // on one connection
	server, a := b.start()
	client := b.dial(n)
	for range 3 {
		b.soon(n, client, server)
		<-b.tickets
		c, s := borrow(t, client, server)
		usable(t, c.Conn(), s.Conn())
		crash(server, a)
		server, a = b.start()
		var reset *quicgo.StatelessResetError
		_, err := c.Conn().Write(make([]byte, 32))
		if err == nil {
			_, err = c.Conn().Read(make([]byte, 1))
		}
		if !errors.As(err, &reset) {
			t.Errorf("%v, want a stateless reset", err)
		}
		c.Release()
		b.soon(n, client, server)
		c, s = borrow(t, client, server)
		usable(t, c.Conn(), s.Conn())
		afterwards = append(afterwards, c)
		s.Release()
	}
	return afterwards
}

func TestOnRealSocketsAClientLearnsOfARestartFromTheAnswerToItsNextBytes(t *testing.T) {
	newLoopback(t, false).restarts(t)
}

// BenchmarkRestart measures how long a client takes to be full again after a restart
// of its server, from its next bytes.
func BenchmarkRestart(b *testing.B) {
	l := newLoopback(b, false)
	server, a := l.start()
	client := l.dial(places)
	for b.Loop() {
		b.StopTimer()
		l.soon(places, client, server)
		time.Sleep(1100 * time.Millisecond) // the end of a stream that is younger is a failure to the pool
		c, err := client.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		crash(server, a)
		server, a = l.start()
		b.StartTimer()
		_, _ = c.Conn().Write(make([]byte, 32))
		_, _ = c.Conn().Read(make([]byte, 1))
		l.soon(places, client, server)
	}
}
