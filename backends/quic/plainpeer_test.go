package quic

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// Plain peers are old peers on quic-go alone, with its settings but for the 128
// streams: they take no datagrams, watch no idle stream, and end a stream with the
// Close of quic-go, which is a FIN. The protocol's name and bytes are written here by
// hand, so that the wire cannot change at both ends at once.

const plainProtocol = "np-quic"

// plainStream is a stream of a plain peer, as its applications see it.
type plainStream struct {
	*quicgo.Stream
	conn *quicgo.Conn
}

func (s plainStream) LocalAddr() net.Addr  { return s.conn.LocalAddr() }
func (s plainStream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// plainPeer is what both kinds have.
type plainPeer struct {
	testing.TB
	transport *quicgo.Transport

	mu   sync.Mutex
	idle map[string]plainStream // guarded by mu, by ID
	news chan struct{}          // closed and replaced when a stream is idle
}

func newPlainPeer(t testing.TB, socket net.PacketConn) *plainPeer {
	t.Helper()
	p := &plainPeer{
		TB:        t,
		transport: &quicgo.Transport{Conn: socket},
		idle:      make(map[string]plainStream),
		news:      make(chan struct{}),
	}
	t.Cleanup(func() { p.transport.Close() })
	return p
}

func (p *plainPeer) keep(id [4]byte, s plainStream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := hex.EncodeToString(id[:])
	if _, taken := p.idle[name]; taken {
		p.Errorf("the ID %s twice", name)
	}
	p.idle[name] = s
	close(p.news)
	p.news = make(chan struct{})
}

// count is the number of idle streams.
func (p *plainPeer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// take waits for a stream: for any if the ID is empty.
func (p *plainPeer) take(id string) (string, plainStream) {
	p.Helper()
	timeout := time.After(time.Minute)
	for {
		p.mu.Lock()
		if id == "" {
			for id = range p.idle {
				break
			}
		}
		s, ok := p.idle[id]
		delete(p.idle, id)
		news := p.news
		p.mu.Unlock()
		if ok {
			return id, s
		}
		select {
		case <-news:
		case <-timeout:
			p.Fatalf("the plain peer has no stream %q", id)
		}
	}
}

// plainServer answers what clients ask, as long as it has room for idle streams.
type plainServer struct {
	*plainPeer
	room, pending        int // guarded by mu, as is the rest
	asked, refused       int // streams
	conns, live, highest int // connections in all, now, and at most
	next                 uint32
}

func newPlainServer(t testing.TB, socket net.PacketConn, conf *tls.Config, room int) *plainServer {
	t.Helper()
	conf = conf.Clone()
	conf.NextProtos = []string{plainProtocol}
	o := &plainServer{plainPeer: newPlainPeer(t, socket), room: room}
	ln, err := o.transport.Listen(conf, &quicgo.Config{MaxIncomingStreams: 128, KeepAlivePeriod: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the transport
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go o.serve(conn) // ends with the connection
		}
	}()
	return o
}

func (o *plainServer) serve(conn *quicgo.Conn) {
	o.mu.Lock()
	o.conns++
	o.live++
	o.highest = max(o.highest, o.live)
	o.mu.Unlock()
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			break
		}
		go o.handle(plainStream{s, conn}) // ends with the connection
	}
	o.mu.Lock()
	o.live--
	o.mu.Unlock()
}

func (o *plainServer) handle(s plainStream) {
	o.mu.Lock()
	o.asked++
	if len(o.idle)+o.pending >= o.room {
		o.refused++
		o.mu.Unlock()
		s.CancelRead(1)
		s.CancelWrite(1)
		return
	}
	o.pending++
	var id [4]byte // the first is all zeros, the others look random
	v := o.next * 2654435761
	id[0], id[1], id[2], id[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
	o.next++
	o.mu.Unlock()

	var first [1]byte
	_, err := io.ReadFull(s, first[:])
	if err == nil && first[0] != 0 {
		o.Errorf("a stream began with %#x", first)
	}
	if err == nil {
		_, err = s.Write(id[:])
	}
	if err == nil {
		o.keep(id, s)
	}
	o.mu.Lock()
	o.pending-- // only now: at no moment may there seem to be more room than there is
	o.mu.Unlock()
}

// look returns the counts.
func (o *plainServer) look() (asked, refused, conns, live, highest int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked, o.refused, o.conns, o.live, o.highest
}

// setRoom changes for how many idle streams there is room.
func (o *plainServer) setRoom(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room = n
}

// plainClient opens streams, on one connection, and asks for their IDs.
type plainClient struct {
	*plainPeer
	conn *quicgo.Conn
}

func newPlainClient(t testing.TB, socket net.PacketConn, addr net.Addr, conf *tls.Config, n int) *plainClient {
	t.Helper()
	conf = simtest.Trust(conf)
	conf.NextProtos = []string{plainProtocol}
	p := newPlainPeer(t, socket)
	conn, err := p.transport.Dial(t.Context(), addr, conf, &quicgo.Config{KeepAlivePeriod: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	o := &plainClient{p, conn}
	for range n {
		o.open()
	}
	return o
}

// open opens one stream.
func (o *plainClient) open() {
	o.Helper()
	ctx, cancel := context.WithTimeout(o.Context(), 10*time.Second)
	defer cancel()
	s, err := o.conn.OpenStreamSync(ctx)
	if err != nil {
		o.Fatalf("no place for a stream: %v", err)
	}
	var id [4]byte
	if _, err := s.Write([]byte{0}); err != nil {
		o.Fatal(err)
	}
	if _, err := io.ReadFull(s, id[:]); err != nil {
		o.Fatal(err)
	}
	o.keep(id, plainStream{s, o.conn})
}
