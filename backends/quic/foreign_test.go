package quic

import (
	"crypto/tls"
	"testing"

	quicgo "github.com/quic-go/quic-go"
)

// foreigner is one end of the wire without a pool: what it does is up to the test.
type foreigner struct {
	*quicgo.Transport
	*testing.T
	tls *tls.Config
}

// foreign returns an end on a host's socket, with a protocol of its own. It is
// closed with the test.
func (w *world) foreign(host int, alpn string) *foreigner {
	w.Helper()
	conf := w.tls.Clone()
	conf.NextProtos = []string{alpn}
	conf.InsecureSkipVerify = true // where it dials
	f := &foreigner{&quicgo.Transport{Conn: w.Socket(host)}, w.T, conf}
	w.Cleanup(func() { f.Close() })
	return f
}

// oldLimits are what old peers grant.
func oldLimits() *quicgo.Config {
	return &quicgo.Config{MaxIncomingStreams: 128, KeepAlivePeriod: handshakeTimeout, MaxIdleTimeout: 3 * idleTimeout}
}

// serve calls handle for each connection, each on a goroutine of its own that has
// ended when the test does.
func (f *foreigner) serve(handle func(*quicgo.Conn)) {
	f.Helper()
	ln, err := f.Listen(f.tls, oldLimits())
	if err != nil {
		f.Fatal(err)
	}
	go func() { // ends with the transport
		for {
			conn, err := ln.Accept(f.Context())
			if err != nil {
				return
			}
			go handle(conn)
		}
	}()
}

// connect dials the server of a world.
func (f *foreigner) connect(w *world) *quicgo.Conn {
	f.Helper()
	conn, err := f.Dial(f.Context(), w.Socket(serverHost).LocalAddr(), f.tls, oldLimits())
	if err != nil {
		f.Fatal(err)
	}
	return conn
}
