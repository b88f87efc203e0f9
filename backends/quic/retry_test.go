package quic

import (
	"bytes"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// besieged makes a server ask all who come without a token for proof of their address,
// for the rest of this second.
func (a *acceptor) besieged() {
	for i := range 10 * maxPeers {
		if a.guard.demandsProof(nth(i)) {
			return
		}
	}
	panic("nobody is ever asked for proof")
}

// filledBy makes a client pool fetch n streams more, and returns how long it takes.
func filledBy(w *world, client *native, n int) time.Duration {
	w.Helper()
	n += client.Stats().Idle
	begun := time.Now()
	client.Resize(n, n)
	if err := client.WaitReady(w.Context(), n); err != nil {
		w.Fatal(err)
	}
	return time.Since(begun)
}

// A connection's first stream costs two round trips: one for the handshake and one for
// the ID.
func TestProofOfItsAddressCostsANewClientOneRoundTripAndAKnownOneNone(t *testing.T) {
	for name, c := range map[string]struct {
		early     bool
		new, more int // round trips to the first streams, and to those on another connection
	}{
		"without early data": {false, 2, 2},
		"with early data":    {true, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				_, a := w.guarded(acceptorConfig{early: c.early, limits: Limits{RetryAbove: 1}})
				dial := func(host int) (*native, time.Duration) {
					begun := time.Now()
					client := w.dial(DialConfig{EarlyData: c.early, PacketConn: w.Socket(host)})
					if err := client.WaitReady(t.Context(), 1); err != nil {
						t.Fatal(err)
					}
					return client, time.Since(begun)
				}
				known, took := dial(clientHost)
				if want := time.Duration(c.new) * rtt; took != want {
					t.Errorf("a new client waited %v, want %v", took, want)
				}
				time.Sleep(10 * time.Second) // the token comes after the handshake
				a.besieged()
				if _, took := dial(thirdHost); took != time.Duration(c.new+1)*rtt {
					t.Errorf("a new client that was asked for proof waited %v, want %v", took, time.Duration(c.new+1)*rtt)
				}
				if took, want := filledBy(w, known, places), time.Duration(c.more)*rtt; took != want {
					t.Errorf("a known client waited %v, want %v", took, want)
				}
				if n := a.connections(); n != 3 {
					t.Errorf("%d connections, want 3", n)
				}
			})
		})
	}
}

func TestATokenIsProofAfterARestartWithTheSameSecret(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k, err := deriveKeys(bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		conf, settings := withALPN(simtest.Trust(w.tls)), clientSettings(0)
		client := w.foreign(clientHost, alpn)
		for i, want := range []time.Duration{2 * rtt, rtt, rtt} {
			server, a := w.guarded(acceptorConfig{keys: k, limits: Limits{RetryAbove: 1}})
			a.besieged()
			begun := time.Now()
			conn, err := client.Dial(t.Context(), w.Socket(serverHost).LocalAddr(), conf, settings)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took != want {
				t.Errorf("connection %d took %v, want %v", i+1, took, want)
			}
			time.Sleep(time.Second)
			_ = conn.CloseWithError(0, "")
			server.Close()
		}
	})
}
