package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// lend takes a stream at the client and the same at the server, without a wait at
// the client, and checks that it works.
func lend(t *testing.T, client, server *native) (c, s lease) {
	t.Helper()
	c, ok := client.TryAcquire()
	if !ok {
		t.Fatalf("no stream is ready: %+v", client.Stats())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	s, err := server.AcquireID(ctx, c.ID())
	if err != nil {
		t.Fatal(err)
	}
	usable(t, c.Conn(), s.Conn())
	return c, s
}

// steadily lends a stream every 50 ms for that long.
func steadily(t *testing.T, d time.Duration, client, server *native) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		c, s := lend(t, client, server)
		c.Release()
		s.Release()
	}
}

func ready(t *testing.T, n int, pools ...*native) {
	t.Helper()
	for _, p := range pools {
		if err := p.WaitReady(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionsAreRenewedByAgeAndNobodyNotices(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, acceptor := w.acceptor()
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20, MaxAge: time.Minute})
		ready(t, 20, client, server)
		c, s := lend(t, client, server)
		steadily(t, 10*time.Minute, client, server)
		if n := acceptor.connections(); n > 3 { // one in use, one still held, one that lingers
			t.Errorf("%d connections", n)
		}
		if n := w.handshakes.Load(); n < 10 || n > 13 {
			t.Errorf("%d connections in ten minutes", n)
		}
		usable(t, c.Conn(), s.Conn())
		if got := client.Stats(); got.Waits != 0 || got.Failed != 0 {
			t.Errorf("%+v", got)
		}
		c.Release()
		s.Release()
		time.Sleep(20 * time.Second)
		if n := acceptor.connections(); n > 2 {
			t.Errorf("%d connections after the last stream of the first was given back", n)
		}
	})
}

func TestAConnectionThatCannotBeRenewedStaysInUse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var refuses atomic.Bool
		w.tls.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if refuses.Load() {
				return nil, errors.New("not today")
			}
			return nil, nil
		}
		server := w.listen(ListenConfig{})
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20, MaxAge: time.Minute})
		ready(t, 20, client, server)
		refuses.Store(true)
		steadily(t, 5*time.Minute, client, server)
	})
}

func TestAPoolWithAnIdleConnectionIsRenewedToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{})
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20, MaxAge: time.Minute})
		ready(t, 20, client, server)
		before := w.handshakes.Load()
		for range 3 * 60 * 10 {
			time.Sleep(100 * time.Millisecond)
			if n := client.Stats().Idle; n < 18 {
				t.Fatalf("%d idle streams", n)
			}
		}
		if n := w.handshakes.Load() - before; n < 2 || n > 4 {
			t.Errorf("%d new connections in three minutes", n)
		}
	})
}

func TestANegativeMaxAgeIsAnError(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		if _, err := Dial(DialConfig{Addr: w.Addr(serverHost), TLS: w.tls, MaxAge: -1}); err == nil {
			t.Error("no error")
		}
	})
}

func TestAConnectionThatCarriesNothingIsNotRenewed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, acceptor := w.acceptor()
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20, MaxAge: vacancy / 2})
		ready(t, 20, client, server)
		client.Resize(0, 0)
		time.Sleep(10 * vacancy)
		if n := acceptor.connections(); n > 0 {
			t.Errorf("%d connections stay though none is needed", n)
		}
		if n := w.handshakes.Load(); n > 1 {
			t.Errorf("%d connections were made though one was needed", n)
		}
		client.Resize(20, 20)
		ready(t, 20, client, server)
	})
}
