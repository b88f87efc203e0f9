package nettest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/poolkit"
)

func TestStreamConnIsANetConn(t *testing.T) {
	server, client := pools(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		s, err := server.Acquire(t.Context())
		if err != nil {
			return nil, nil, nil, err
		}
		c, err := client.AcquireID(t.Context(), s.ID())
		if err != nil {
			s.Release()
			return nil, nil, nil, err
		}
		return c.Conn(), s.Conn(), func() { c.Release(); s.Release() }, nil
	})
	for name, stats := range map[string]int{"server": server.Stats().OnLoan, "client": client.Stats().OnLoan} {
		if stats != 0 {
			t.Errorf("the %s still has %d streams on loan", name, stats)
		}
	}
}

// pools returns two pools of QUIC streams that are connected, until the test ends.
func pools(t *testing.T) (server, client *poolkit.Pool[*quic.StreamConn]) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	server, err = quic.Listen(quic.ListenConfig{PacketConn: socket, TLS: certificate(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err = quic.Dial(quic.DialConfig{
		Addr:        socket.LocalAddr().String(),
		TLS:         &tls.Config{InsecureSkipVerify: true}, // the certificate was made a moment ago
		MinCapacity: 4,
		MaxCapacity: 4,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
