package tcp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/internal/selfsigned"
)

// The two ends of a tunnel. The server takes any connection, and the client the same one
// by its ID, which it was told elsewhere.
func ExampleListen() {
	cert, err := selfsigned.Certificate()
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server, err := tcp.Listen(tcp.ListenConfig{
		Listener:       listener, // from now on the pool's
		TLS:            &tls.Config{Certificates: []tls.Certificate{cert}},
		AllowedClients: "127.0.0.0/8, ::1",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := tcp.DialPeer(tcp.DialConfig{
		Addr: listener.Addr().String(),
		TLS:  &tls.Config{RootCAs: roots},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	there, err := server.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	here, err := client.AcquireID(ctx, there.ID())
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(there.Conn(), "hello from the server"); err != nil {
		log.Fatal(err)
	}
	there.Release() // ends the connection
	heard, err := io.ReadAll(here.Conn())
	if err != nil {
		log.Fatal(err)
	}
	here.Release()
	fmt.Println(string(heard))
	// Output: hello from the server
}

// The compatibility API, over plain TCP. A control channel is built on the first
// connection, which both ends know by its ID.
func ExamplePool_OutgoingGet() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := tcp.NewServerPool(20, "127.0.0.1", nil, listener, 30*time.Second)
	defer server.Close()
	server.ServerManager()
	client := tcp.NewClientPool(5, 20, time.Second, 5*time.Second, 30*time.Second, "0", "localhost",
		func() (net.Conn, error) { return net.DialTimeout("tcp", listener.Addr().String(), 5*time.Second) })
	defer client.Close()
	client.ClientManager()

	here, err := client.OutgoingGet("00000000", 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	there, err := server.OutgoingGet("00000000", 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	defer there.Close()
	if _, err := io.WriteString(here, "hello from the client"); err != nil {
		log.Fatal(err)
	}
	here.Close()
	heard, err := io.ReadAll(there)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(heard))
	// Output: hello from the client
}
