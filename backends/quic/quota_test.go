package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/access"
)

// nothingLeft checks that a guard knows of nobody who has anything, once it has noticed
// that those are gone who were in the middle of a handshake.
func nothingLeft(t *testing.T, a *acceptor) {
	t.Helper()
	time.Sleep(time.Minute)
	synctest.Wait()
	g := a.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proven != 0 || len(g.guests) != 0 || len(g.accounts) != g.idlers {
		t.Errorf("%d connections, %d accounts and %d of those idle when everybody has left", g.proven, len(g.accounts), g.idlers)
	}
	for _, account := range g.accounts {
		if account.conns != 0 || account.streams != 0 {
			t.Errorf("%+v when everybody has left", *account)
		}
	}
}

func TestAClientOverItsConnectionsGoesOnWithWhatItHas(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var refusals Refusals
		server, a := w.guarded(acceptorConfig{limits: Limits{Connections: 1}, count: &refusals})
		client := w.client(300, 300)
		time.Sleep(10 * time.Second)
		if s := stats(client); s.Idle != places {
			t.Errorf("%d idle streams on one connection", s.Idle)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := client.running().WaitReady(ctx, 2*places); !strings.Contains(fmt.Sprint(err), "over its limits") {
			t.Errorf("%v", err)
		}
		before := stats(client).Failed
		time.Sleep(time.Minute)
		failed := stats(client).Failed - before
		t.Logf("%d failures in a minute", failed)
		if failed > 60 {
			t.Errorf("%d failures in a minute", failed)
		}
		if n := refusals.Connections.Load(); n < failed || refusals.Handshakes.Load()+refusals.Full.Load()+refusals.NotAllowed.Load() > 0 {
			t.Errorf("%d connections count as refused, and others for other reasons", n)
		}
		for range 2 * places {
			_, s, err := client.IncomingGet(3 * time.Second) // the longest pause after failures and a round trip
			if err != nil {
				t.Fatal(err)
			}
			abort(s.(*StreamConn))
		}

		other := w.clientAt(thirdHost, 20, 20)
		begun := time.Now()
		w.full(20, other)
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("another client was full after %v", took)
		}
		client.Close()
		time.Sleep(3 * handshakeTimeout) // perhaps in the middle of a handshake
		again := w.client(20, 20)
		begun = time.Now()
		w.full(20, again)
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("the client's next pool was full after %v", took)
		}
		again.Close()
		other.Close()
		nothingLeft(t, a)
		if n := server.Stats().Open(); n != 0 {
			t.Errorf("%d streams of nobody", n)
		}
	})
}

func TestAClientOverItsStreamsGoesOnWithWhatItHas(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, a := w.guarded(acceptorConfig{limits: Limits{Streams: 50}})
		client := w.client(200, 200)
		time.Sleep(10 * time.Second)
		if s := stats(client); s.Idle != 50 || server.Stats().Open() != 50 {
			t.Errorf("%d idle streams, %d at the server", s.Idle, server.Stats().Open())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // of them all
		defer cancel()
		if err := client.running().WaitReady(ctx, 100); !strings.Contains(fmt.Sprint(err), errQuota.Error()) {
			t.Errorf("%v", err)
		}
		before := stats(client).Failed
		time.Sleep(time.Minute)
		s := stats(client)
		t.Logf("%d failures in a minute", s.Failed-before)
		if s.Failed-before > 60 {
			t.Errorf("%d failures in a minute", s.Failed-before)
		}
		other := w.clientAt(thirdHost, 50, 50)
		w.full(50, other)
		for range 100 { // those that end make room for others
			_, s, err := client.IncomingGet(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			abort(s.(*StreamConn))
		}
		client.Close()
		other.Close()
		nothingLeft(t, a)
	})
}

// dialFor dials within a second, and says what the server says about it at once.
func (f *foreigner) dialFor(w *world) (*quicgo.Conn, error) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), time.Second)
	defer cancel()
	conn, err := f.Dial(ctx, w.Socket(serverHost).LocalAddr(), f.tls, foreignSettings())
	if err != nil {
		return nil, err
	}
	time.Sleep(2 * rtt)
	return conn, context.Cause(conn.Context())
}

func isRefused(err error) bool {
	var early *quicgo.TransportError
	var late *quicgo.ApplicationError
	return errors.As(err, &early) && early.ErrorCode == quicgo.ConnectionRefused ||
		errors.As(err, &late) && late.ErrorCode == codeQuota
}

func TestHandshakesOfOneAddressAreBegunAtItsRate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.guarded(acceptorConfig{limits: Limits{Connections: 5, Handshakes: 1}})
		busy, other := w.foreign(clientHost, alpn), w.foreign(thirdHost, alpn)
		begun, made, refused := time.Now(), 0, 0
		for time.Since(begun) < 20*time.Second {
			conn, err := busy.dialFor(w)
			switch {
			case err == nil:
				made++
				_ = conn.CloseWithError(0, "")
			case isRefused(err):
				refused++
			default:
				t.Fatal(err)
			}
		}
		t.Logf("%d connections, %d refused", made, refused)
		if made < 24 || made > 25 || refused < 40 {
			t.Errorf("%d connections in twenty seconds, %d refused", made, refused)
		}
		if _, err := other.dialFor(w); err != nil {
			t.Error(err)
		}
	})
}

// Streams that come as early data count too, although the client has yet to prove that
// its address is its own: for each connection by itself until then.
func TestStreamsThatComeAsEarlyDataCount(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, a := w.guarded(acceptorConfig{early: true, limits: Limits{Streams: 50}})
		client := w.dial(DialConfig{MinCapacity: 120, MaxCapacity: 120, TLS: w.acquainted(), EarlyData: true})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s := client.Stats()
		t.Logf("%d idle streams, %d at the server", s.Idle, server.Stats().Open())
		if s.Idle < 50 || s.Idle > 2*50 || server.Stats().Open() != s.Idle {
			t.Errorf("%d idle streams, %d at the server", s.Idle, server.Stats().Open())
		}
		client.Close()
		nothingLeft(t, a)
	})
}

func TestWhatIsRefusedIsCounted(t *testing.T) {
	allow, err := access.ParseAllowList("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, func(t *testing.T, w *world) {
		var refusals Refusals
		server := w.listen(ListenConfig{
			Limits:   Limits{Streams: 10, RetryAbove: 1},
			Refusals: &refusals,
		})
		w.dial(DialConfig{MinCapacity: 12, MaxCapacity: 12})
		ready(t, 10, server)
		time.Sleep(time.Second)
		if n := refusals.Streams.Load(); n < 2 {
			t.Errorf("%d streams count as refused, want two at least", n)
		}
		f := w.foreign(thirdHost, alpn)
		for range 4 {
			f.connect(w.Socket(serverHost).LocalAddr()).CloseWithError(0, "")
		}
		if n := refusals.Proofs.Load(); n < 2 {
			t.Errorf("%d handshakes had to prove their address, want two at least", n)
		}
	})
	var refusals Refusals
	g := newGuard(allow, Limits{}, &refusals)
	_, err = g.greet(t.Context(), &quicgo.ClientInfo{RemoteAddr: &net.UDPAddr{IP: net.IPv4(11, 0, 0, 1)}})
	if n := refusals.NotAllowed.Load(); err == nil || n != 1 {
		t.Errorf("%d count as not allowed, want 1 (%v)", n, err)
	}
}
