package quic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// pinOf is the pin of a server's configuration.
func pinOf(conf *tls.Config) trust.Pin { return trust.PinOf(conf.Certificates[0].Leaf) }

// isRefused checks that a client is told that waiting will not help, about once in two
// seconds it tries nevertheless, and returns the error.
func (w *world) isRefused(client *native) error {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Minute)
	defer cancel()
	begun := time.Now()
	_, err := client.Acquire(ctx)
	if !poolkit.IsPermanent(err) || errors.Is(err, net.ErrClosed) {
		w.Fatalf("%v: permanent: %v", err, poolkit.IsPermanent(err))
	}
	if took := time.Since(begun); took > 3*rtt {
		w.Errorf("refused after %v", took)
	}
	sent := w.Sent(clientHost)
	time.Sleep(time.Minute)
	if sent = w.Sent(clientHost) - sent; sent > 60*8 {
		w.Errorf("%d packets in a minute", sent)
	}
	if _, again := client.Acquire(ctx); !poolkit.IsPermanent(again) {
		w.Errorf("a minute later: %v", again)
	}
	return err
}

// recovers checks that a client soon has n idle streams.
func recovers(t *testing.T, client *native, n int) {
	t.Helper()
	time.Sleep(handshakeTimeout + 3*time.Second)
	synctest.Wait()
	if s := client.Stats(); s.Idle != n || s.LastError != nil {
		t.Errorf("%+v", s)
	}
}

// sessions counts the handshakes of an end.
type sessions struct{ begun, resumed atomic.Int64 }

func (n *sessions) verify(s tls.ConnectionState) error {
	if s.DidResume {
		n.resumed.Add(1)
	} else {
		n.begun.Add(1)
	}
	return nil
}

// resumable starts a server, or starts it again, with which sessions are resumed.
func (w *world) resumable(early bool) *native {
	w.Helper()
	return w.listen(ListenConfig{EarlyData: early, Secret: bytes.Repeat([]byte{7}, 32)})
}

func TestAPinnedServerNeedsNoTLSConfiguration(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.listen(ListenConfig{})
		client := w.dial(DialConfig{Trust: trust.Pins{pinOf(w.tls)}, MinCapacity: 200, MaxCapacity: 200})
		if err := client.WaitReady(t.Context(), 200); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAServerWithAWrongKeyIsRefusedUntilItHasTheRightOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wrong := simtest.Certificate(t)
		server := w.listen(ListenConfig{TLS: wrong})
		client := w.dial(DialConfig{Trust: trust.Pins{pinOf(w.tls)}, MinCapacity: 5, MaxCapacity: 5})
		err := w.isRefused(client)
		var mismatch *trust.MismatchError
		if !errors.As(err, &mismatch) || mismatch.Presented != pinOf(wrong) || mismatch.Server != w.Addr(serverHost) {
			t.Errorf("%v", err)
		}
		server.Close()
		w.listen(ListenConfig{})
		recovers(t, client, 5)
	})
}

func TestAServersKeyIsChangedAndNobodyNotices(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		next := simtest.Certificate(t)
		var current atomic.Pointer[tls.Certificate]
		current.Store(&w.tls.Certificates[0])
		w.listen(ListenConfig{TLS: &tls.Config{
			GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
			SessionTicketsDisabled: true,
		}})
		client := w.dial(DialConfig{
			Trust:       trust.Pins{pinOf(w.tls), pinOf(next)},
			MinCapacity: 5, MaxCapacity: 5,
			MaxAge: time.Minute,
		})
		for _, conf := range []*tls.Config{w.tls, next} {
			current.Store(&conf.Certificates[0])
			time.Sleep(2 * time.Minute)
			l, err := client.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := trust.PinOf(l.Conn().ConnectionState().PeerCertificates[0]); got != pinOf(conf) {
				t.Errorf("the key is %v, want %v", got, pinOf(conf))
			}
			l.Discard()
		}
		if s := client.Stats(); s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// policy is one that the test controls.
type policy func() error

func (p policy) Check(string, trust.Pin) error { return p() }

func TestAResumedSessionIsRefusedWhoseServerIsNotTrustedAnyMore(t *testing.T) {
	for _, early := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			server := w.resumable(early)
			var distrust atomic.Bool
			var count sessions
			client := w.dial(DialConfig{
				Trust: policy(func() error {
					if distrust.Load() {
						return io.ErrNoProgress
					}
					return nil
				}),
				TLS:         &tls.Config{VerifyConnection: count.verify},
				MinCapacity: 5, MaxCapacity: 5,
				EarlyData: early,
			})
			if err := client.WaitReady(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // the ticket comes after the handshake
			server.Close()
			server = w.resumable(early)
			recovers(t, client, 5)
			if count.begun.Load() != 1 || count.resumed.Load() == 0 {
				t.Errorf("%d sessions were begun, %d resumed", count.begun.Load(), count.resumed.Load())
			}
			distrust.Store(true)
			server.Close()
			w.resumable(early)
			time.Sleep(handshakeTimeout + 3*time.Second)
			if err := w.isRefused(client); !errors.Is(err, io.ErrNoProgress) {
				t.Errorf("%v", err)
			}
			distrust.Store(false)
			recovers(t, client, 5)
		})
	}
}

func TestAServerIsTrustedOnFirstUseAndAnotherKeyOnlyOnceItIsForgotten(t *testing.T) {
	for name, conf := range map[string]*tls.Config{
		"":             nil, // by its address
		"name.example": {ServerName: "name.example"},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			if name == "" {
				name = w.Addr(serverHost)
			}
			server := w.listen(ListenConfig{})
			store := new(trust.Memory)
			client := w.dial(DialConfig{TLS: conf, Trust: trust.OnFirstUse(store), MinCapacity: 5, MaxCapacity: 5})
			if err := client.WaitReady(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
			server.Close()
			w.listen(ListenConfig{TLS: simtest.Certificate(t)})
			time.Sleep(handshakeTimeout + 3*time.Second)
			err := w.isRefused(client)
			var mismatch *trust.MismatchError
			if !errors.As(err, &mismatch) || mismatch.Trusted[0] != pinOf(w.tls) || mismatch.Server != name {
				t.Errorf("%v", err)
			}
			store.Forget(name)
			recovers(t, client, 5)
		})
	}
}

func TestEachOfSeveralServersMayHaveItsOwnKey(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.listen(ListenConfig{})
		w.listen(ListenConfig{PacketConn: w.Socket(thirdHost), TLS: simtest.Certificate(t)})
		client := w.dial(DialConfig{
			Addr:        w.Addr(serverHost) + ", " + w.Addr(thirdHost),
			Trust:       trust.OnFirstUse(new(trust.Memory)),
			MinCapacity: 1000, MaxCapacity: 1000, // that is on eight connections
		})
		if err := client.WaitReady(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		if s := client.Stats(); s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// watched is a store that notes what it has returned.
type watched struct {
	trust.Memory
	mu       sync.Mutex
	asked    int                // guarded by mu, as is returned
	returned map[trust.Pin]bool //
}

func (s *watched) Remember(server string, presented trust.Pin) (trust.Pin, error) {
	known, err := s.Memory.Remember(server, presented)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.returned[known] = true
	return known, err
}

func (s *watched) look() (asked int, returned map[trust.Pin]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked, maps.Clone(s.returned)
}

// Every other connection finds another key, as if somebody came in between.
func TestConnectionsThatAreSetUpAtOnceAgreeOnTheKeyOfTheFirstUse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := simtest.Certificate(t)
		var handshakes atomic.Int64
		w.listen(ListenConfig{TLS: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if handshakes.Add(1)%2 == 0 {
					return &other.Certificates[0], nil
				}
				return &w.tls.Certificates[0], nil
			},
			SessionTicketsDisabled: true,
		}})
		store := &watched{returned: make(map[trust.Pin]bool)}
		client := w.dial(DialConfig{Trust: trust.OnFirstUse(store), MinCapacity: 1000, MaxCapacity: 1000})
		time.Sleep(rtt + rtt/2) // no second attempt is under way
		if asked, keys := store.look(); asked != settingUp || len(keys) != 1 {
			t.Errorf("asked %d times, %d keys", asked, len(keys))
		}
		time.Sleep(time.Minute)
		_, keys := store.look()
		if len(keys) != 1 {
			t.Errorf("%d keys", len(keys))
		}
		for range max(1, client.Stats().Idle) {
			l, err := client.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := trust.PinOf(l.Conn().ConnectionState().PeerCertificates[0]); !keys[got] {
				t.Errorf("a stream of a server with the key %v", got)
			}
		}
	})
}
