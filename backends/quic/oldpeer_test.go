package quic

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// Old peers are on quic-go alone, with its settings but for the 128 streams: they
// take no datagrams, watch no idle stream, and end a stream with the Close of quic-go,
// which is a FIN. The protocol's name and bytes are written by hand, here and in ask,
// so that the wire cannot change at both ends at once.

const oldProtocol = "np-quic"

// oldStream is a stream of an old peer, as its applications see it.
type oldStream struct {
	*quicgo.Stream
	conn *quicgo.Conn
}

func (s oldStream) LocalAddr() net.Addr  { return s.conn.LocalAddr() }
func (s oldStream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// oldPeer is what both kinds have.
type oldPeer struct {
	*foreigner

	mu   sync.Mutex
	idle map[string]oldStream // guarded by mu, by ID
	news chan struct{}        // closed and replaced when a stream is idle
}

func newOldPeer(t testing.TB, socket net.PacketConn, conf *tls.Config) *oldPeer {
	t.Helper()
	return &oldPeer{
		foreigner: newForeigner(t, socket, conf, oldProtocol),
		idle:      make(map[string]oldStream),
		news:      make(chan struct{}),
	}
}

func (p *oldPeer) keep(id poolkit.ID, s oldStream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, taken := p.idle[id.String()]; taken {
		p.Errorf("the ID %v twice", id)
	}
	p.idle[id.String()] = s
	close(p.news)
	p.news = make(chan struct{})
}

// count is the number of idle streams.
func (p *oldPeer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// take waits for a stream: for any if the ID is empty.
func (p *oldPeer) take(id string) (string, oldStream) {
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
			p.Fatalf("the old peer has no stream %q", id)
		}
	}
}

// oldServer answers what clients ask, as long as it has room for idle streams.
type oldServer struct {
	*oldPeer
	refuse        func(*quicgo.Stream) // does so when there is no room
	room, pending int                  // guarded by mu, as is the rest
	next          uint32
	counts        oldCounts
}

// oldCounts is what has come to an old server.
type oldCounts struct {
	asked, refused       int // streams
	conns, live, highest int // connections in all, now, and at most
}

func newOldServer(t testing.TB, socket net.PacketConn, conf *tls.Config, room int) *oldServer {
	t.Helper()
	o := &oldServer{
		oldPeer: newOldPeer(t, socket, conf),
		refuse:  func(s *quicgo.Stream) { reset(s, 1) },
		room:    room,
	}
	o.serve(o.accept)
	return o
}

// oldServer starts an old server with room for that many idle streams.
func (w *world) oldServer(room int) *oldServer {
	w.Helper()
	return newOldServer(w.T, w.Socket(serverHost), w.tls, room)
}

func (o *oldServer) accept(conn *quicgo.Conn) {
	o.mu.Lock()
	o.counts.conns++
	o.counts.live++
	o.counts.highest = max(o.counts.highest, o.counts.live)
	o.mu.Unlock()
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			break
		}
		go o.handle(oldStream{s, conn}) // ends with the connection
	}
	o.mu.Lock()
	o.counts.live--
	o.mu.Unlock()
}

func (o *oldServer) handle(s oldStream) {
	o.mu.Lock()
	o.counts.asked++
	if len(o.idle)+o.pending >= o.room {
		o.counts.refused++
		o.mu.Unlock()
		o.refuse(s.Stream)
		return
	}
	o.pending++
	var id poolkit.ID // the first is all zeros, the others look random
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

func (o *oldServer) look() oldCounts {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts
}

// setRoom changes for how many idle streams there is room.
func (o *oldServer) setRoom(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room = n
}

// find returns the two ends of a stream that the server takes first.
func (o *oldServer) find(client *Pool) (c *StreamConn, s oldStream) {
	o.Helper()
	id, s := o.take("")
	got, err := client.OutgoingGet(id, time.Second)
	if err != nil {
		o.Fatal(err)
	}
	return got.(*StreamConn), s
}

// oldClient opens streams, on one connection, and asks for their IDs.
type oldClient struct {
	*oldPeer
	conn *quicgo.Conn
}

func newOldClient(t testing.TB, socket net.PacketConn, addr net.Addr, conf *tls.Config, n int) *oldClient {
	t.Helper()
	p := newOldPeer(t, socket, conf)
	o := &oldClient{p, p.connect(addr)}
	for range n {
		o.open()
	}
	return o
}

// oldClient starts an old client that keeps so many streams on one connection.
func (w *world) oldClient(n int) *oldClient {
	w.Helper()
	return newOldClient(w.T, w.Socket(clientHost), w.Socket(serverHost).LocalAddr(), w.tls, n)
}

// open opens one stream.
func (o *oldClient) open() {
	o.Helper()
	s, err := openSync(o, o.conn)
	if err != nil {
		o.Fatalf("no place for a stream: %v", err)
	}
	id, err := ask(s)
	if err != nil {
		o.Fatal(err)
	}
	o.keep(id, oldStream{s, o.conn})
}

// find returns the two ends of a stream that the server takes first.
func (o *oldClient) find(server *Pool) (c oldStream, s *StreamConn) {
	o.Helper()
	id, got, err := server.IncomingGet(10 * time.Second)
	if err != nil {
		o.Fatal(err)
	}
	_, c = o.take(id)
	return c, got.(*StreamConn)
}

// manyCycles is how many streams are used one after the other where places must come
// back: more than three times the places of a connection.
const manyCycles = 400

// say writes a message, and hear reads that and the end.
func say(t testing.TB, s io.Writer, message string) {
	t.Helper()
	if _, err := io.WriteString(s, message); err != nil {
		t.Error(err)
	}
}

func hear(t testing.TB, s io.Reader, message string) {
	t.Helper()
	if got, err := io.ReadAll(s); string(got) != message || err != nil {
		t.Errorf("heard %q, %v; want %q", got, err, message)
	}
}

// sayBoth writes from both ends what may stay unread.
func sayBoth(c, s net.Conn) {
	_, _ = c.Write([]byte("perhaps unread"))
	_, _ = s.Write([]byte("perhaps unread"))
}

func TestOldPeersTakeNoProbesAndAreNotSuspected(t *testing.T) {
	for name, begin := range map[string]func(w *world) (pool *Pool, here, there int, find func() (net.Conn, *StreamConn)){
		"a server": func(w *world) (*Pool, int, int, func() (net.Conn, *StreamConn)) {
			old, client := w.oldServer(1000), w.client(20, 20)
			return client, clientHost, serverHost, func() (net.Conn, *StreamConn) { c, s := old.find(client); return s, c }
		},
		"a client": func(w *world) (*Pool, int, int, func() (net.Conn, *StreamConn)) {
			server, old := w.server(20), w.oldClient(20)
			return server, serverHost, clientHost, func() (net.Conn, *StreamConn) { c, s := old.find(server); return c, s }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				pool, here, there, find := begin(w)
				w.full(20, pool)
				before := w.Sent(here)
				time.Sleep(time.Hour)
				synctest.Wait()
				if sent := w.Sent(here) - before; sent > 2*3600/10+10 {
					t.Errorf("%d packets in an idle hour", sent)
				}
				w.Cut(there, true)
				time.Sleep(giveUpAfter + 5*beat) // a peer that takes probes would be given up
				w.Cut(there, false)
				time.Sleep(time.Minute)
				settled(t, 20, pool)
				if n := stats(pool).Created; n != 20 {
					t.Errorf("%d streams in all: the connection was lost", n)
				}
				theirs, ours := find()
				usable(t, theirs, ours)
				begun := time.Now()
				w.Cut(there, true)
				_, err := ours.Read(make([]byte, 1))
				t.Logf("given up after %v: %v", time.Since(begun), err)
				if took := time.Since(begun); took > idleTimeout+defaultKeepAlive {
					t.Errorf("given up after %v", took)
				}
				synctest.Wait()
				if n := pool.Active(); n != 0 {
					t.Errorf("%d idle streams with a peer that is gone", n)
				}
			})
		})
	}
}

func TestOldPeersOnRealSockets(t *testing.T) {
	conf := testCertificate(t)
	socket := func() net.PacketConn {
		s, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}

	listening := socket()
	old := newOldServer(t, listening, conf, 1000)
	client := NewClientPool(20, 20, time.Second, time.Second, 0, "0", "localhost",
		func() (string, error) { return listening.LocalAddr().String(), nil })
	client.ClientManager()
	t.Cleanup(client.Close)
	old.cycles(client, func(c *StreamConn, s oldStream) {
		usable(t, c, s)
		c.Close()
		hear(t, s, "")
		s.Close()
	})
	eventuallySettled(t, 20, client)

	addr := freeAddr(t)
	server := NewServerPool(128, "", conf, addr, 0)
	server.ServerManager()
	t.Cleanup(server.Close)
	udpAddr, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	peer := newOldClient(t, socket(), udpAddr, conf, 64) // so that opening need not wait for credit
	peer.cycles(server, func(c oldStream, s *StreamConn) {
		usable(t, c, s)
		c.Close()
		s.Close()
	})
	eventuallySettled(t, 64, server)
}
