package quic_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/vistone/poolkit/backends/quic"
)

// The server takes any stream and tells the client which, in whatever way the two
// have: here both live in one process. The client finds the stream by its ID.
func Example() {
	addr, cert := freeAddr(), certificate()

	server := quic.NewServerPool(20, "", &tls.Config{Certificates: []tls.Certificate{cert}}, addr, 0)
	defer server.Close()
	server.ServerManager()

	client := quic.NewClientPool(5, 20, 500*time.Millisecond, 5*time.Second, 0, "1", "localhost",
		func() (string, error) { return addr, nil })
	defer client.Close()
	client.ClientManager()

	id, there, err := server.IncomingGet(10 * time.Second)
	if err != nil {
		log.Fatal(err)
	}
	here, err := client.OutgoingGet(id, 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	defer here.Close()

	if _, err := io.WriteString(there, "hello from the server"); err != nil {
		log.Fatal(err)
	}
	there.Close() // the client still reads what has been written
	heard, err := io.ReadAll(here)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(heard))
	// Output: hello from the server
}

// The first stream of a server pool's life has an ID that both ends know. It can
// serve to tell the other end the IDs of further streams.
func ExamplePool_OutgoingGet() {
	client, server := pair()
	defer server.Close()
	defer client.Close()

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

// The client can take any stream as well; then the server finds it by its ID.
func ExamplePool_IncomingGet() {
	client, server := pair()
	defer server.Close()
	defer client.Close()

	id, here, err := client.IncomingGet(10 * time.Second)
	if err != nil {
		log.Fatal(err)
	}
	defer here.Close()
	there, err := server.OutgoingGet(id, 10*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	defer there.Close()

	if _, err := fmt.Fprintln(here, "hello"); err != nil {
		log.Fatal(err)
	}
	var heard string
	if _, err := fmt.Fscanln(there, &heard); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the server heard", heard)
	// Output: the server heard hello
}

// A client that verifies the server, and waits for streams as long as its context
// allows.
func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cert, addr := certificate(), freeAddr()
	server, err := quic.Listen(quic.ListenConfig{
		Addr: addr,
		TLS:  &tls.Config{Certificates: []tls.Certificate{cert}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	trusted := x509.NewCertPool()
	trusted.AddCert(cert.Leaf)
	client, err := quic.Dial(quic.DialConfig{
		Addr:        addr,
		TLS:         &tls.Config{RootCAs: trusted},
		MinCapacity: 8,
		MaxCapacity: 8,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.WaitReady(ctx, 8); err != nil {
		log.Fatal(err)
	}
	lease, err := client.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer lease.Release()
	if _, err := io.WriteString(lease.Conn(), "hello"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("on loan:", client.Stats().OnLoan)
	// Output: on loan: 1
}

// A server on a socket of its own, that allows clients on this machine alone.
func ExampleListen() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close() // it is not the pool's
	server, err := quic.Listen(quic.ListenConfig{
		PacketConn:     socket,
		TLS:            &tls.Config{Certificates: []tls.Certificate{certificate()}},
		AllowedClients: "127.0.0.0/8, ::1",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	client, err := quic.Dial(quic.DialConfig{
		Addr: socket.LocalAddr().String(),
		TLS:  &tls.Config{InsecureSkipVerify: true}, // examples only
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

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
	there.Release() // ends the stream; what has been written is delivered
	heard, err := io.ReadAll(here.Conn())
	if err != nil {
		log.Fatal(err)
	}
	here.Release()
	fmt.Println(string(heard))
	// Output: hello from the server
}

// A server with two clients takes a stream of the one that it has something for. It
// knows them by their addresses; [quic.ListenConfig] can have other names.
func ExampleListen_peers() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	addr := freeAddr()
	server, err := quic.Listen(quic.ListenConfig{
		Addr: addr,
		TLS:  &tls.Config{Certificates: []tls.Certificate{certificate()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	for _, name := range []string{"alice", "bob"} {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		defer socket.Close() // it is not the pool's
		client, err := quic.Dial(quic.DialConfig{
			Addr:       addr,
			PacketConn: socket,
			TLS:        &tls.Config{InsecureSkipVerify: true}, // examples only
		})
		if err != nil {
			log.Fatal(err)
		}
		defer client.Close()

		there, err := server.AcquireFrom(ctx, socket.LocalAddr().String())
		if err != nil {
			log.Fatal(err)
		}
		here, err := client.AcquireID(ctx, there.ID())
		if err != nil {
			log.Fatal(err)
		}
		if _, err := io.WriteString(there.Conn(), "hello "+name); err != nil {
			log.Fatal(err)
		}
		there.Release()
		heard, err := io.ReadAll(here.Conn())
		if err != nil {
			log.Fatal(err)
		}
		here.Release()
		fmt.Println(string(heard))
	}
	// Output:
	// hello alice
	// hello bob
}

// pair returns two pools that are connected.
func pair() (client, server *quic.Pool) {
	addr := freeAddr()
	server = quic.NewServerPool(20, "", &tls.Config{Certificates: []tls.Certificate{certificate()}}, addr, 0)
	server.ServerManager()
	client = quic.NewClientPool(5, 20, 500*time.Millisecond, 5*time.Second, 0, "1", "localhost",
		func() (string, error) { return addr, nil })
	client.ClientManager()
	return client, server
}

// freeAddr returns an address with a UDP port that nobody uses.
func freeAddr() string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String()
}

// certificate returns a self-signed certificate for 127.0.0.1.
func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
