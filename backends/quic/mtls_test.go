package quic

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
)

// mutual makes the server of a world ask for a client certificate, and returns the
// only one that it accepts.
func (w *world) mutual() *tls.Certificate {
	w.Helper()
	good := simtest.Certificate(w)
	w.tls.ClientAuth = tls.RequireAndVerifyClientCert
	w.tls.ClientCAs = x509.NewCertPool()
	w.tls.ClientCAs.AddCert(good.Certificates[0].Leaf)
	return &good.Certificates[0]
}

func TestTheServerSeesTheCertificateOfItsClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		cert := w.mutual()
		server := w.listen(ListenConfig{})
		conf := simtest.Trust(w.tls)
		conf.Certificates = []tls.Certificate{*cert}
		client := w.dial(DialConfig{TLS: conf, MinCapacity: 200, MaxCapacity: 200})
		if err := client.WaitReady(t.Context(), 200); err != nil {
			t.Fatal(err)
		}
		for range 200 {
			l, err := server.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			peers := l.Conn().ConnectionState().PeerCertificates
			if len(peers) != 1 || !peers[0].Equal(cert.Leaf) {
				t.Fatalf("the client has the certificates %v", peers)
			}
		}
	})
}

// The server sees the client's certificate when the handshake is complete already at
// the client.
func TestAClientWithoutAGoodCertificateIsRefusedUntilItHasOne(t *testing.T) {
	for name, c := range map[string]struct {
		cert  func(t *testing.T) *tls.Certificate
		words string
	}{
		"none": {func(*testing.T) *tls.Certificate { return new(tls.Certificate) }, "asks for a client certificate"},
		"another": {
			func(t *testing.T) *tls.Certificate { return &simtest.Certificate(t).Certificates[0] },
			"does not accept the client certificate",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				good := w.mutual()
				server := w.listen(ListenConfig{})
				var cert atomic.Pointer[tls.Certificate]
				cert.Store(c.cert(t))
				conf := simtest.Trust(w.tls)
				conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert.Load(), nil }
				client := w.dial(DialConfig{TLS: conf, MinCapacity: 200, MaxCapacity: 200})
				err := w.isRefused(client)
				var alert tls.AlertError
				if !errors.As(err, &alert) {
					t.Errorf("%v: is no TLS alert", err)
				}
				says(t, err.Error(), w.Addr(serverHost), c.words)
				if s := server.Stats(); s.Created != 0 {
					t.Errorf("%+v", s)
				}
				cert.Store(good)
				recovers(t, client, 200)
			})
		})
	}
}

func TestAClientWhoseCertificateTheServerDoesNotKnowYet(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.mutual()
		server := w.listen(ListenConfig{})
		conf := simtest.Trust(w.tls)
		conf.Certificates = []tls.Certificate{*w.mutual()} // for the next server
		client := w.dial(DialConfig{TLS: conf, MinCapacity: 5, MaxCapacity: 5})
		says(t, w.isRefused(client).Error(), "does not accept the client certificate")
		server.Close()
		w.listen(ListenConfig{})
		recovers(t, client, 5)
	})
}

func TestACompatibilityClientIsToldThatItNeedsACertificate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := compattest.Logs(t)
		w.mutual()
		w.server(5)
		p := w.client(5, 5)
		time.Sleep(time.Minute)
		failsAtOnce(t, p, "asks for a client certificate")
		l.Once(t, "asks for a client certificate")
	})
}

func TestARevokedClientIsRefusedThoughItsSessionIsResumed(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprint("early data: ", early), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				cert := w.mutual()
				var revoked atomic.Bool
				var count sessions
				w.tls.VerifyConnection = func(s tls.ConnectionState) error {
					if revoked.Load() && s.PeerCertificates[0].Equal(cert.Leaf) {
						_ = count.verify(s) // always nil
						return errors.New("revoked")
					}
					return nil
				}
				server := w.resumable(early)
				conf := simtest.Trust(w.tls)
				conf.Certificates = []tls.Certificate{*cert}
				client := w.dial(DialConfig{TLS: conf, MinCapacity: 5, MaxCapacity: 5, EarlyData: early})
				if err := client.WaitReady(t.Context(), 5); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // the ticket comes after the handshake
				revoked.Store(true)
				server.Close()
				server = w.resumable(early)
				time.Sleep(handshakeTimeout + 3*time.Second)
				says(t, w.isRefused(client).Error(), "does not accept the client certificate")
				if s := server.Stats(); s.Created != 0 {
					t.Errorf("%+v", s)
				}
				if count.resumed.Load() == 0 {
					t.Error("the session was not resumed")
				}
				revoked.Store(false)
				recovers(t, client, 5)
			})
		})
	}
}

func TestAServerMayChooseAConfigurationForEachClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		chosen := &tls.Config{Certificates: w.tls.Certificates}
		w.listen(ListenConfig{TLS: &tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil },
		}})
		ready(t, 4, w.dial(DialConfig{MinCapacity: 4, MaxCapacity: 4}))
	})
}

func TestNoOtherProtocolIsSpoken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.tls.NextProtos = []string{"h3"}
		w.listen(ListenConfig{})
		f := w.foreign(clientHost, "h3")
		if _, err := f.Dial(t.Context(), w.Socket(serverHost).LocalAddr(), f.tls, foreignSettings()); err == nil {
			t.Error("a client that speaks h3 may connect")
		}
	})
	inWorld(t, func(t *testing.T, w *world) {
		w.foreign(serverHost, "h3").serve(func(*quicgo.Conn) {})
		conf := simtest.Trust(w.tls)
		conf.NextProtos = []string{"h3"}
		_, err := w.dial(DialConfig{TLS: conf}).Acquire(t.Context())
		if !poolkit.IsPermanent(err) || !strings.Contains(err.Error(), "does not offer the protocol np-quic") {
			t.Error(err)
		}
	})
}
