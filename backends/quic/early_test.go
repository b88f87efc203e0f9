package quic

import (
	"bytes"
	"crypto/tls"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
)

// acquainted returns the TLS configuration of a client that has been connected to
// the server before.
func (w *world) acquainted() *tls.Config {
	w.Helper()
	conf := simtest.Trust(w.tls)
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	client := w.dial(DialConfig{TLS: conf, EarlyData: true})
	if err := client.WaitReady(w.Context(), 1); err != nil {
		w.Fatal(err)
	}
	time.Sleep(time.Second) // the ticket comes after the handshake
	client.Close()
	return conf
}

// early starts a server that takes early data.
func (w *world) early() *native {
	w.Helper()
	return w.listen(ListenConfig{EarlyData: true, Secret: bytes.Repeat([]byte{7}, 32)})
}

// filled starts a client, and returns how long it takes to have n streams.
func (w *world) filled(n int, conf *tls.Config) (*native, time.Duration) {
	w.Helper()
	begun := time.Now()
	client := w.dial(DialConfig{MinCapacity: n, MaxCapacity: n, TLS: conf, EarlyData: true})
	if err := client.WaitReady(w.Context(), n); err != nil {
		w.Fatal(err)
	}
	took := time.Since(begun)
	w.Logf("%d streams: full after %v: %.2f round trips", n, took, trips(took))
	return client, took
}

func TestWithEarlyDataAPoolIsFullAfterOneRoundTrip(t *testing.T) {
	for _, n := range []int{1, 128, 1024} { // that is on up to 8 connections
		inWorld(t, func(t *testing.T, w *world) {
			server := w.early()
			if _, took := w.filled(n, w.acquainted()); took != rtt {
				t.Errorf("full after %v, want %v", took, rtt)
			}
			time.Sleep(rtt / 2) // the server knows when the handshake is complete
			synctest.Wait()
			if s := server.Stats(); s.Idle != n {
				t.Errorf("the server has %+v", s)
			}
		})
	}
}

func TestWithEarlyDataA64ConnectionPoolIsFullAfterEightRoundTrips(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.early()
		if _, took := w.filled(8192, w.acquainted()); took != maxShards/settingUp*rtt {
			t.Errorf("full after %v", took)
		}
	})
}

func TestAServerThatHasForgottenTheSessionCostsOneRoundTripMore(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for name, cfg := range map[string]ListenConfig{
			"it has another secret":    {EarlyData: true, Secret: bytes.Repeat([]byte{8}, 32)},
			"it takes no early data":   {Secret: bytes.Repeat([]byte{7}, 32)},
			"it has no secret, either": {},
		} {
			server := w.early()
			conf := w.acquainted()
			server.Close()
			server = w.listen(cfg)
			client, took := w.filled(128, conf)
			if took != 2*rtt {
				t.Errorf("%s: full after %v, want %v", name, took, 2*rtt)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if s := server.Stats(); s.Idle != 128 {
				t.Errorf("%s: the server has %+v", name, s)
			}
			client.Close()
			server.Close()
		}
	})
}

func TestWithASecretAndEarlyDataARestartedServerCostsOneRoundTrip(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.early()
		conf := w.acquainted()
		server.Close()
		w.early()
		if _, took := w.filled(128, conf); took != rtt {
			t.Errorf("full after %v, want %v", took, rtt)
		}
	})
}

func TestAStreamWantedAfterTheEarlyDataWaitsForTheHandshake(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.early()
		conf := w.acquainted()
		begun := time.Now()
		client := w.dial(DialConfig{MinCapacity: 10, MaxCapacity: 20, TLS: conf, EarlyData: true})
		time.Sleep(rtt / 2)
		client.Resize(11, 20)
		if err := client.WaitReady(t.Context(), 11); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("the eleventh stream is there after %v, want one round trip after the handshake", took)
		}
	})
}

// What an attacker can do with early data is to send again what he has recorded.
func TestRecordedEarlyDataMakesNoStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.early()
		conf := w.acquainted()
		var flight [][]byte
		w.Tap(func(from string, data []byte) {
			if from == w.Addr(clientHost) {
				flight = append(flight, bytes.Clone(data))
			}
		})
		client := w.dial(DialConfig{MinCapacity: 10, MaxCapacity: 10, TLS: conf, EarlyData: true})
		time.Sleep(rtt / 2) // before there is an answer
		w.Tap(nil)
		if err := client.WaitReady(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		client.Close()
		time.Sleep(time.Minute)
		before := server.Stats()

		for range 20 {
			for _, packet := range flight {
				if _, err := w.Socket(thirdHost).WriteTo(packet, w.Socket(serverHost).LocalAddr()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(rtt)
			synctest.Wait()
			if s := server.Stats(); s.Idle != 0 || s.Created != before.Created {
				t.Fatalf("a recording made streams: %+v", s)
			}
		}
		if s := server.Stats(); s.Promised == 0 {
			t.Error("the recording asked for no stream")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := server.Stats(); s.Open() != 0 || s.Created != before.Created {
			t.Errorf("a minute later: %+v", s)
		}
	})
}

func TestEarlyDataToAServerThatIsNotTrustedAnyMoreMakesNoStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.early()
		conf := w.acquainted()
		revoked := errors.New("revoked")
		conf.VerifyConnection = func(tls.ConnectionState) error { return revoked }
		client := w.dial(DialConfig{MinCapacity: 10, MaxCapacity: 10, TLS: conf, EarlyData: true})
		err := client.WaitReady(t.Context(), 1)
		if !errors.Is(err, revoked) || !poolkit.IsPermanent(err) {
			t.Errorf("WaitReady: %v", err)
		}
		if s := client.Stats(); s.Created != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestEarlyDataToASilentServerFailsAfterTheHandshakeTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.early()
		conf := w.acquainted()
		w.Cut(serverHost, true)
		begun := time.Now()
		client := w.dial(DialConfig{MinCapacity: 10, MaxCapacity: 10, TLS: conf, EarlyData: true})
		for client.Stats().LastError == nil {
			time.Sleep(rtt)
		}
		if took := time.Since(begun); took > 2*handshakeTimeout+rtt {
			t.Errorf("noticed after %v", took)
		}
		if s := client.Stats(); s.Created != 0 {
			t.Errorf("%+v", s)
		}
		w.Cut(serverHost, false)
		if err := client.WaitReady(t.Context(), 10); err != nil {
			t.Error(err)
		}
	})
}

func TestEarlyDataIsForEachOfSeveralServers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.guarded(acceptorConfig{early: true})
		w.guarded(acceptorConfig{early: true, socket: w.Socket(thirdHost)})
		client := w.dial(DialConfig{
			Addr: w.both(), TLS: &tls.Config{InsecureSkipVerify: true}, EarlyData: true, MinCapacity: 20, MaxCapacity: 20,
		})
		ready(t, 20, client)
		time.Sleep(time.Second) // the tickets come after the handshake
		client.Resize(0, 0)
		time.Sleep(vacancy + 10*time.Second)
		client.Resize(20, 20)
		begun := time.Now()
		ready(t, 20, client)
		if took := time.Since(begun); took != rtt {
			t.Errorf("full again after %v", took)
		}
	})
}
