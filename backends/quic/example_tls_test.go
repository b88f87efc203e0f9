package quic_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// A server with a self-signed certificate is trusted by the pin of its key. While the
// key is being changed, the client has the pins of both.
func ExampleDial_pins() {
	cert := certificate()
	server, addr := listen(&tls.Config{Certificates: []tls.Certificate{cert}})
	defer server.Close()

	next, err := trust.ParsePin("sha256/duqU0UYyfM5EAHe+VUvLw4Fb9pFLdRekHsvYdwoWTZI=")
	if err != nil {
		log.Fatal(err)
	}
	client, err := quic.Dial(quic.DialConfig{
		Addr:  addr,
		Trust: trust.Pins{trust.PinOf(cert.Leaf), next},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ready(client)
	fmt.Println("the server is trusted")
	// Output: the server is trusted
}

// The key that a server has when it is used first is kept in a directory. From then
// on, nobody else can answer in its place.
func ExampleDial_trustOnFirstUse() {
	dir, err := os.MkdirTemp("", "servers")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, addr := listen(&tls.Config{Certificates: []tls.Certificate{certificate()}})

	client, err := quic.Dial(quic.DialConfig{Addr: addr, Trust: trust.OnFirstUse(trust.Dir(dir))})
	if err != nil {
		log.Fatal(err)
	}
	ready(client)
	client.Close()
	server.Close()

	stranger, err := quic.Listen(quic.ListenConfig{
		Addr: addr,
		TLS:  &tls.Config{Certificates: []tls.Certificate{certificate()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer stranger.Close()
	client, err = quic.Dial(quic.DialConfig{Addr: addr, Trust: trust.OnFirstUse(trust.Dir(dir))})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_, err = client.Acquire(context.Background())
	fmt.Println("the stranger is refused:", poolkit.IsPermanent(err))
	// Output: the stranger is refused: true
}

// Each end shows the other a certificate (mTLS), and the server sees on every stream
// whose it is.
func ExampleListen_mutualTLS() {
	alice, cert := certificate(), certificate()
	clients := x509.NewCertPool()
	clients.AddCert(alice.Leaf)
	server, addr := listen(&tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
	})
	defer server.Close()

	client, err := quic.Dial(quic.DialConfig{
		Addr:  addr,
		TLS:   &tls.Config{Certificates: []tls.Certificate{alice}},
		Trust: trust.Pins{trust.PinOf(cert.Leaf)},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ready(server)
	lease, err := server.Acquire(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release()
	peer := lease.Conn().ConnectionState().PeerCertificates[0]
	fmt.Println("the client is Alice:", peer.Equal(alice.Leaf))
	// Output: the client is Alice: true
}

// listen returns a server on loopback, and its address.
func listen(conf *tls.Config) (server *poolkit.Pool[*quic.StreamConn], addr string) {
	addr = freeAddr()
	server, err := quic.Listen(quic.ListenConfig{Addr: addr, TLS: conf})
	if err != nil {
		log.Fatal(err)
	}
	return server, addr
}

// ready waits until a pool has a stream.
func ready(p *poolkit.Pool[*quic.StreamConn]) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.WaitReady(ctx, 1); err != nil {
		log.Fatal(err)
	}
}
