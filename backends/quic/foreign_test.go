package quic

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// foreigner is one end of the wire without a pool: what it does is up to the test.
type foreigner struct {
	*quicgo.Transport
	testing.TB
	tls *tls.Config
}

// newForeigner returns an end on a socket, with a protocol of its own. It is closed
// with the test.
func newForeigner(t testing.TB, socket net.PacketConn, conf *tls.Config, protocol string) *foreigner {
	t.Helper()
	conf = conf.Clone()
	conf.NextProtos = []string{protocol}
	conf.InsecureSkipVerify = true // where it dials
	f := &foreigner{&quicgo.Transport{Conn: socket}, t, conf}
	t.Cleanup(func() { f.Close() })
	return f
}

// foreign returns a foreigner on a host's socket.
func (w *world) foreign(host int, protocol string) *foreigner {
	w.Helper()
	return newForeigner(w.T, w.Socket(host), w.tls, protocol)
}

// stranger returns a connection of a foreigner to the server.
func (w *world) stranger() *quicgo.Conn {
	w.Helper()
	return w.foreign(clientHost, alpn).connect(w.Socket(serverHost).LocalAddr())
}

// foreignSettings are those of old peers, too. They take no datagrams.
func foreignSettings() *quicgo.Config {
	return &quicgo.Config{MaxIncomingStreams: 128, KeepAlivePeriod: 10 * time.Second, MaxIdleTimeout: 90 * time.Second}
}

// serve calls handle for each connection, each on a goroutine of its own that has
// ended when the test does.
func (f *foreigner) serve(handle func(*quicgo.Conn)) {
	f.Helper()
	ln, err := f.Listen(f.tls, foreignSettings())
	if err != nil {
		f.Fatal(err)
	}
	go func() { // ends with the transport
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go handle(conn)
		}
	}()
}

// connect dials a server.
func (f *foreigner) connect(addr net.Addr) *quicgo.Conn {
	f.Helper()
	conn, err := f.Dial(f.Context(), addr, f.tls, foreignSettings())
	if err != nil {
		f.Fatal(err)
	}
	return conn
}

// openSync opens a stream within a minute.
func openSync(t testing.TB, conn *quicgo.Conn) (*quicgo.Stream, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return conn.OpenStreamSync(ctx)
}

// ask does the client's side of the exchange by hand.
func ask(s *quicgo.Stream) (id poolkit.ID, err error) {
	if _, err := s.Write([]byte{0}); err != nil {
		return id, err
	}
	_, err = io.ReadFull(s, id[:])
	return id, err
}
