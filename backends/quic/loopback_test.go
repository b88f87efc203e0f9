package quic

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// testCertificate is a server's configuration.
func testCertificate(t testing.TB) *tls.Config { return simtest.Certificate(t) }

// freeAddr returns a loopback address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	sock, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	return sock.LocalAddr().String()
}

// pair starts a client pool and a server pool on loopback. They are closed with the
// test.
func pair(t testing.TB, minCap, maxCap int, minIvl time.Duration) (client, server *Pool) {
	t.Helper()
	addr := freeAddr(t)
	server = NewServerPool(maxCap, "", testCertificate(t), addr, 0)
	server.ServerManager()
	client = NewClientPool(minCap, maxCap, minIvl, 10*minIvl, 0, "0", "localhost", func() (string, error) { return addr, nil })
	client.ClientManager()
	t.Cleanup(server.Close)
	t.Cleanup(client.Close)
	return client, server
}

// eventuallySettled waits until nothing is in use in pools that keep n streams idle.
func eventuallySettled(t testing.TB, n int, pools ...*Pool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for _, p := range pools {
		for s := p.running().Stats(); s.Idle != n || s.Open() != n; s = p.running().Stats() {
			if time.Now().After(deadline) {
				t.Fatalf("want %d idle and no others: %+v", n, s)
			}
			time.Sleep(time.Millisecond)
		}
	}
}
