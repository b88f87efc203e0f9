package quic

import (
	"net"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// On real sockets, a peer that is over its limits and sends noise as well disturbs
// nobody.
func TestAPeerOverItsLimitsDisturbsNobodyOnRealSockets(t *testing.T) {
	conf := testCertificate(t)
	addr := freeAddr(t)
	server, err := Listen(ListenConfig{Addr: addr, TLS: conf, Limits: Limits{Connections: 3, Handshakes: 1000, RetryAbove: 5}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	socket, err := net.ListenPacket("udp", "127.0.0.2:0")
	if err != nil {
		t.Skipf("this machine has one loopback address only: %v", err)
	}
	t.Cleanup(func() { socket.Close() })
	to, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	attacker := newForeigner(t, socket, conf, alpn)
	for i := range 3 {
		if _, err := ask(opened(t, attacker.connect(to))); err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
	}
	client, err := Dial(DialConfig{Addr: addr, TLS: simtest.Trust(conf), MinCapacity: 20, MaxCapacity: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	for range 20 {
		if conn, err := attacker.Dial(t.Context(), to, attacker.tls, foreignSettings()); err == nil {
			select {
			case <-conn.Context().Done():
			case <-time.After(10 * time.Second):
				t.Error("one connection more than the limit stays")
			}
		} else if !isRefused(err) {
			t.Error(err)
		}
		for i := range 20 {
			_, _ = socket.WriteTo(forge(i)[4:], to)
		}
		l, err := client.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := server.AcquireID(t.Context(), l.ID())
		if err != nil {
			t.Fatal(err)
		}
		usable(t, l.Conn(), s.Conn())
		l.Discard()
		s.Discard()
	}
}

// opened returns a stream of a connection.
func opened(t *testing.T, conn *quicgo.Conn) *quicgo.Stream {
	t.Helper()
	s, err := openSync(t, conn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
