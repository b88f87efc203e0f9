package quic

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// oldServer is a server as old peers are: it accepts 128 streams on a connection,
// gives the first the ID 00000000 and the others random ones, resets streams when
// it has enough, and ends a stream by its Close alone.
type oldServer struct {
	enough int

	mu      sync.Mutex
	streams map[string]*quicgo.Stream // guarded by mu, as is the rest
	conns   int
	asked   int
}

func (w *world) oldServer(enough int) *oldServer {
	o := &oldServer{enough: enough, streams: make(map[string]*quicgo.Stream)}
	w.foreign(serverHost, alpn).serve(o.accept)
	return o
}

func (o *oldServer) accept(conn *quicgo.Conn) {
	o.mu.Lock()
	o.conns++
	o.mu.Unlock()
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go o.handle(s)
	}
}

func (o *oldServer) handle(s *quicgo.Stream) {
	o.mu.Lock()
	o.asked++
	o.mu.Unlock()
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
		_ = s.Close()
		return
	}
	id := make([]byte, 4)
	o.mu.Lock()
	full := len(o.streams) >= o.enough
	if len(o.streams) > 0 {
		for i := range id {
			id[i] = byte(rand.IntN(256))
		}
	}
	if !full {
		o.streams[hex.EncodeToString(id)] = s
	}
	o.mu.Unlock()
	if full {
		_ = s.Close()
		return
	}
	_, _ = s.Write(id)
}

// work returns how many streams and connections were opened to the server.
func (o *oldServer) work() (asked, conns int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked, o.conns
}

// any takes a stream.
func (o *oldServer) any(t *testing.T) (string, *quicgo.Stream) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, s := range o.streams {
		delete(o.streams, id)
		return id, s
	}
	t.Fatal("the old server has no stream")
	return "", nil
}

func TestAClientWorksWithAnOldServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.oldServer(20)
		client := w.client(20, 20)
		w.full(20, client)
		first := false
		// More than there are places: the old server's Close frees none, ours does.
		for i := range 1000 {
			id, s := old.any(t)
			first = first || id == "00000000"
			c, err := client.OutgoingGet(id, time.Second)
			if err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
			message := fmt.Sprintf("message %d", i)
			if _, err := s.Write([]byte(message)); err != nil {
				t.Fatal(err)
			}
			_ = s.Close()
			if got, err := io.ReadAll(c); string(got) != message || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			if _, err := c.Write([]byte(message)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			if got, err := io.ReadAll(s); string(got) != message || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
			time.Sleep(2 * rtt)
		}
		time.Sleep(time.Minute)
		settled(t, 20, client)
		if _, conns := old.work(); conns != 1 || !first {
			t.Errorf("%d connections, 00000000 among them: %v", conns, first)
		}
	})
}

// The old server's application closes without reading to the end, which frees no
// place over there. The client goes on, on further connections.
func TestAClientOutlivesAnOldServerThatFreesNoPlaces(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.oldServer(1000)
		client := w.client(20, 20)
		w.full(20, client)
		for i := range 400 {
			id, s := old.any(t)
			c, err := client.OutgoingGet(id, time.Second)
			if err != nil {
				t.Fatalf("stream %d: %v", i, err)
			}
			_ = s.Close()
			c.Close()
			time.Sleep(2 * rtt)
		}
		time.Sleep(20 * time.Second)
		settled(t, 20, client)
		_, conns := old.work()
		t.Logf("400 streams took %d connections", conns)
		if conns > 8 {
			t.Errorf("400 streams took %d connections", conns)
		}
	})
}

// An old server refuses streams when it has enough idle ones. The client wants
// more, and asks for them at the pace of failures.
func TestAnOldServerThatHasEnoughIsNotAskedInALoop(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := w.oldServer(10)
		client := w.client(20, 20)
		time.Sleep(time.Minute)
		w.full(10, client)
		before, _ := old.work()
		sent := w.Sent(clientHost)
		time.Sleep(10 * time.Minute)
		asked, conns := old.work()
		asked, sent = asked-before, w.Sent(clientHost)-sent
		t.Logf("asked %d times in 10 minutes, %d packets, over %d connections in all", asked, sent, conns)
		if asked > 600 || sent > 20*600 || conns > 40 {
			t.Errorf("asked %d times in 10 minutes, %d packets, over %d connections in all", asked, sent, conns)
		}
		for range 10 { // meanwhile what there is can be used
			id, s := old.any(t)
			c, err := client.OutgoingGet(id, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
				t.Error(err)
			}
			_ = s.Close()
			c.Close()
		}
	})
}

// oldClient keeps so many streams open as an old client does, which ends a stream by
// its Close alone.
type oldClient struct {
	conn    *quicgo.Conn
	streams map[string]*quicgo.Stream
}

func (o *oldClient) fill(t *testing.T, n int) {
	t.Helper()
	for len(o.streams) < n {
		s, err := openSync(t, o.conn)
		if err != nil {
			t.Fatalf("no more places: %v", err)
		}
		id, err := ask(s)
		if err != nil {
			t.Fatal(err)
		}
		o.streams[id.String()] = s
	}
}

func TestAServerWorksWithAnOldClient(t *testing.T) {
	for _, reads := range []bool{false, true} {
		t.Run(fmt.Sprintf("that reads to the end: %v", reads), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				server := w.server(20)
				old := &oldClient{w.foreign(clientHost, alpn).connect(w), make(map[string]*quicgo.Stream)}
				old.fill(t, 20)
				if old.streams["00000000"] == nil {
					t.Error("none is 00000000")
				}
				w.full(20, server)
				for i := range 1000 { // more than there are places
					id, s, err := server.IncomingGet(time.Second)
					if err != nil {
						t.Fatal(err)
					}
					c := old.streams[id]
					delete(old.streams, id)
					if c == nil {
						t.Fatalf("stream %d: %s is unknown to the client", i, id)
					}
					if _, err := c.Write([]byte(id)); err != nil {
						t.Fatal(err)
					}
					_ = c.Close()
					if got, err := io.ReadAll(s); string(got) != id || err != nil {
						t.Fatalf("%q, %v", got, err)
					}
					if _, err := s.Write([]byte(id)); err != nil {
						t.Fatal(err)
					}
					s.Close()
					if reads {
						if got, err := io.ReadAll(c); string(got) != id || err != nil {
							t.Fatalf("%q, %v", got, err)
						}
					}
					old.fill(t, 20)
				}
				time.Sleep(5 * time.Second)
				settled(t, 20, server)
			})
		})
	}
}

func TestAServerFreesThePlacesOfStreamsThatAnOldClientOnlyCloses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(20)
		old := &oldClient{w.foreign(clientHost, alpn).connect(w), make(map[string]*quicgo.Stream)}
		for range 10 { // the client alone closes, while the streams are idle
			old.fill(t, places)
			for id, s := range old.streams {
				_ = s.Close()
				delete(old.streams, id)
			}
		}
		old.fill(t, places)
		time.Sleep(time.Second)
		settled(t, places, server)
	})
}
