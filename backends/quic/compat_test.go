package quic

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"testing"
	"time"
)

func testCertificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{Organization: []string{"test"}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func pair(t testing.TB, minCap, maxCap int, minIvl time.Duration) (client, server *Pool) {
	t.Helper()
	sock, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := sock.LocalAddr().String()
	sock.Close()
	server = NewServerPool(maxCap, "", testCertificate(t), addr, 0)
	server.ServerManager()
	client = NewClientPool(minCap, maxCap, minIvl, 10*minIvl, 0, "0", "localhost", func() (string, error) { return addr, nil })
	client.ClientManager()
	t.Cleanup(server.Close)
	t.Cleanup(client.Close)
	return client, server
}

func TestBothEndsAgree(t *testing.T) {
	for _, n := range []int{20, 128, 256, 1024, 4096, 8192} {
		client, server := pair(t, n, n, 100*time.Millisecond)
		begun := time.Now()
		server.opened(t.Context())
		client.opened(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := client.core.WaitReady(ctx, n)
		if err == nil {
			err = server.core.WaitReady(ctx, n)
		}
		cancel()
		t.Logf("%d: %v client %d server %d, %d shards, %v %v", n, time.Since(begun), client.Active(), server.Active(), server.core.Stats().Shards, client.core.Stats().Shards, err)
		id, conn, err := server.IncomingGet(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		other, err := client.OutgoingGet(id, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte("hello"))
		conn.Close()
		b, err := io.ReadAll(other)
		if string(b) != "hello" {
			t.Fatal(b, err)
		}
		other.Close()
		begun = time.Now()
		client.Close()
		t.Log("client closed", time.Since(begun))
		server.Close()
		t.Log("server closed", time.Since(begun))
	}
}
