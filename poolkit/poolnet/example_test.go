package poolnet_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// HTTP over QUIC streams that stand ready: neither the client nor the server of net/http
// knows.
func Example() {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	accepts, err := quic.Listen(quic.ListenConfig{
		PacketConn: socket,
		TLS:        &tls.Config{Certificates: []tls.Certificate{certificate()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer accepts.Close()
	listener, err := poolnet.NewListener(accepts, poolnet.ListenerConfig{Addr: socket.LocalAddr()})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s asks for %s", r.Host, r.URL.Path)
	})}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()

	dials, err := quic.Dial(quic.DialConfig{
		Addr: socket.LocalAddr().String(),
		TLS:  &tls.Config{InsecureSkipVerify: true}, // examples only
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dials.Close()
	transport := &http.Transport{DialContext: poolnet.NewDialer(dials).DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	answer, err := client.Get("http://example.com/page") // the streams are encrypted
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	fmt.Println(string(page), err)
	// Output: example.com asks for /page <nil>
}

// A user who dials for each exchange gets the same connection, again and again.
func ExampleDialer_Returning() {
	pool, err := poolkit.New(pipes())
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	dialer, err := poolnet.NewDialer(pool).Returning()
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		conn, err := dialer.Dial("tcp", "any:7")
		if err != nil {
			log.Fatal(err)
		}
		if _, err := io.WriteString(conn, "hello"); err != nil {
			log.Fatal(err)
		}
		answer := make([]byte, 5)
		_, err = io.ReadFull(conn, answer)
		fmt.Println(string(answer), err)
		conn.Close() // the answer has been read, so the next user may come
	}
	fmt.Println("on loan:", pool.Stats().OnLoan)
	// Output:
	// hello <nil>
	// hello <nil>
	// hello <nil>
	// on loan: 0
}

// pipes is of a pool of pipes, at whose other ends somebody sends everything back.
func pipes() poolkit.Config[net.Conn] {
	return poolkit.Config[net.Conn]{
		Dialer: poolkit.DialerFunc[net.Conn](func(context.Context, int) (poolkit.ID, net.Conn, error) {
			here, there := net.Pipe()
			go func() { _, _ = io.Copy(there, there) }()
			return poolkit.RandomID(), here, nil
		}),
		Shut: net.Conn.Close,
	}
}

// net/http speaks HTTP/2 over TLS if it is given a *tls.Conn, and no wrapper.
func ExampleDialer_HandingOver() {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()

	tlsDialer := &tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, // examples only
		NextProtos:         []string{"h2"},
	}}
	pool, err := poolkit.New(poolkit.Config[*tls.Conn]{
		Dialer: poolkit.DialerFunc[*tls.Conn](func(ctx context.Context, _ int) (poolkit.ID, *tls.Conn, error) {
			conn, err := tlsDialer.DialContext(ctx, "tcp", server.Listener.Addr().String())
			if err != nil {
				return poolkit.ID{}, nil, err
			}
			return poolkit.RandomID(), conn.(*tls.Conn), nil // its handshake is done
		}),
		Shut: (*tls.Conn).Close,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	transport := &http.Transport{
		DialTLSContext:    poolnet.NewDialer(pool).HandingOver(nil).DialContext,
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("https://example.com/")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	proto, err := io.ReadAll(answer.Body)
	fmt.Print(string(proto), err)
	// Output:
	// HTTP/2.0
	// <nil>
}

// A printer behind a firewall serves HTTP: it connects to its client, who finds it by
// name.
func ExampleDialer_Choosing() {
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	client, err := quic.Listen(quic.ListenConfig{
		PacketConn: socket,
		TLS:        &tls.Config{Certificates: []tls.Certificate{certificate()}},
		Peer:       func(quic.PeerInfo) string { return "printer" }, // such as its certificate says
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	printer, err := quic.Dial(quic.DialConfig{
		Addr: socket.LocalAddr().String(),
		TLS:  &tls.Config{InsecureSkipVerify: true}, // examples only
	})
	if err != nil {
		log.Fatal(err)
	}
	defer printer.Close()
	printer.Resize(0, 0) // the listener keeps them ready
	listener, err := poolnet.NewListener(printer, poolnet.ListenerConfig{MaxParked: 8})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "the printer prints ", r.URL.Path)
	})}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()

	dialer := poolnet.NewDialer(client).Choosing(
		func(ctx context.Context, _, addr string) (poolkit.Lease[*quic.StreamConn], error) {
			name, _, err := net.SplitHostPort(addr)
			if err != nil {
				return poolkit.Lease[*quic.StreamConn]{}, err
			}
			return client.AcquireFrom(ctx, name)
		})
	transport := &http.Transport{DialContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("http://printer/letter")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	fmt.Println(string(said), err)
	// Output: the printer prints /letter <nil>
}
