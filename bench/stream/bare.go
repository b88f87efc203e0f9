package stream

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// bare is quic-go as a program without a pool uses it: who needs a stream opens one.
type bare struct {
	shape
	server, client *quicgo.Transport
	conns          []*quicgo.Conn // the client's
	next           atomic.Uint32  // of them
	kept           []end          // streams that are ready

	held    chan end // the server's ends, if it holds them; has room for all
	serving sync.WaitGroup
}

func openBare(n network, s shape) ends {
	serverTLS, clientTLS := identity()
	b := &bare{
		shape:  s,
		server: &quicgo.Transport{Conn: n.socket()},
		client: &quicgo.Transport{Conn: n.socket()},
		conns:  make([]*quicgo.Conn, s.connections),
		held:   make(chan end, s.connections*places),
	}
	ln, err := b.server.Listen(serverTLS, settings())
	must(err)
	b.serving.Go(func() { b.accept(ln) })
	var dialling sync.WaitGroup
	for i := range b.conns {
		dialling.Go(func() {
			var err error
			b.conns[i], err = b.client.Dial(context.Background(), b.server.Conn.LocalAddr(), clientTLS, settings())
			must(err)
		})
	}
	dialling.Wait()
	return b
}

// settings are those of a connection in a pool.
func settings() *quicgo.Config {
	return &quicgo.Config{
		MaxIdleTimeout:                 30 * time.Second,
		KeepAlivePeriod:                10 * time.Second,
		InitialStreamReceiveWindow:     96 << 20 / 192,
		MaxStreamReceiveWindow:         6 << 20,
		InitialConnectionReceiveWindow: 96 << 20,
		MaxConnectionReceiveWindow:     96 << 20,
		InitialPacketSize:              1200,
		MaxIncomingStreams:             places,
		MaxIncomingUniStreams:          -1,
		EnableDatagrams:                true,
	}
}

// accept, and what it starts, ends when the server is closed.
func (b *bare) accept(ln *quicgo.Listener) {
	for {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			return
		}
		b.serving.Go(func() { b.serve(conn) })
	}
}

func (b *bare) serve(conn *quicgo.Conn) {
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		b.serving.Go(func() { b.introduce(&bareEnd{s}) })
	}
}

// introduce does the server's part. If it fails, so does the client's.
func (b *bare) introduce(s end) {
	var hello [1]byte
	_, _ = io.ReadFull(s, hello[:])
	_, _ = s.Write([]byte{1, 2, 3, 4})
	if b.shape.held {
		b.held <- s
	} else {
		_ = s.Close()
	}
}

func (b *bare) fill() {
	b.kept = make([]end, b.ready)
	var opening sync.WaitGroup
	for i := range b.kept {
		opening.Go(func() { b.kept[i] = b.get() })
	}
	opening.Wait()
}

func (b *bare) get() end {
	conn := b.conns[int(b.next.Add(1))%len(b.conns)]
	s, err := conn.OpenStreamSync(context.Background())
	must(err)
	_, err = s.Write([]byte{0})
	must(err)
	var id [4]byte
	_, err = io.ReadFull(s, id[:])
	must(err)
	return &bareEnd{s}
}

func (b *bare) both() (client, server end) { return b.get(), <-b.held }

func (b *bare) cycle() { must(b.get().Close()) } // the server closes its end by itself

func (b *bare) close() {
	must(b.client.Close())
	must(b.server.Close())
	b.serving.Wait()
}

// bareEnd is a stream that can be ended with one call.
type bareEnd struct{ *quicgo.Stream }

func (s *bareEnd) Close() error {
	s.CancelRead(0)
	_ = s.Stream.Close() // fails where the peer has stopped reading, and so has ended it
	return nil
}
