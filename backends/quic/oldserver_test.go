package quic

import (
	"encoding/binary"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// These are about old servers; see oldPeer.

// cycles takes manyCycles streams at both ends, which then end them in some way.
func (o *oldServer) cycles(client *Pool, end func(c *StreamConn, s oldStream)) {
	o.Helper()
	const workers = 8
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range manyCycles / workers {
				id, c, err := client.IncomingGet(time.Minute)
				if err != nil {
					o.Error(err)
					return
				}
				_, s := o.take(id)
				end(c.(*StreamConn), s)
			}
		})
	}
	wg.Wait()
}

func TestAClientFindsEveryStreamOfAnOldServerByItsID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old, client := w.oldServer(1000), w.client(20, 20)
		w.full(20, client)
		first, err := client.OutgoingGet("00000000", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, s := old.take("00000000")
		usable(t, first, s)
		for range 60 {
			c, s := old.find(client)
			usable(t, c, s)
			id, other, err := client.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_, s = old.take(id)
			usable(t, s, other)
		}
		if n := old.look().conns; n != 2 {
			t.Errorf("%d connections for 141 streams", n)
		}
	})
}

func TestAnOldServerThatReadsToTheEndNeedsOneConnection(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *StreamConn, s oldStream){
		"we close first": func(t *testing.T, c *StreamConn, s oldStream) {
			usable(t, c, s)
			c.Close()
			hear(t, s, "")
			s.Close()
		},
		"it closes first": func(t *testing.T, c *StreamConn, s oldStream) {
			usable(t, s, c)
			s.Close()
			hear(t, c, "")
			c.Close()
			hear(t, s, "")
		},
		"it answers": func(t *testing.T, c *StreamConn, s oldStream) {
			say(t, c, "request")
			c.Close()
			hear(t, s, "request")
			say(t, s, "answer")
			s.Close()
			hear(t, c, "answer")
		},
		"we answer": func(t *testing.T, c *StreamConn, s oldStream) {
			say(t, s, "request")
			s.Close()
			hear(t, c, "request")
			say(t, c, "answer")
			c.Close()
			hear(t, s, "answer")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				old, client := w.oldServer(1000), w.client(20, 20)
				old.cycles(client, func(c *StreamConn, s oldStream) { end(t, c, s) })
				time.Sleep(10 * time.Second)
				settled(t, 20, client)
				if got := old.look(); got.conns != 1 || got.asked != manyCycles+20 || old.count() != 20 {
					t.Errorf("%+v, %d streams left", got, old.count())
				}
			})
		})
	}
}

// An application that only ever calls Close never gives a place back. Ours come back
// when their connection has been without streams for a while.
func TestAClientOfAnOldServerThatOnlyClosesGoesOnOnFurtherConnections(t *testing.T) {
	for name, end := range map[string]func(c *StreamConn, s oldStream){
		"and so do we":          func(c *StreamConn, s oldStream) { c.Close(); s.Close() },
		"after we did":          func(c *StreamConn, s oldStream) { c.Close(); time.Sleep(rtt); s.Close() },
		"before we do":          func(c *StreamConn, s oldStream) { s.Close(); time.Sleep(rtt); c.Close() },
		"and both have written": func(c *StreamConn, s oldStream) { sayBoth(c, s); s.Close(); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				old, client := w.oldServer(1000), w.client(20, 20)
				begun := time.Now()
				old.cycles(client, end)
				took := time.Since(begun)
				time.Sleep(2 * vacancy)
				settled(t, 20, client)
				got := old.look()
				t.Logf("%v: %+v", took, got)
				if got.asked != manyCycles+20 || got.conns > 8 || got.live > 2 {
					t.Errorf("%+v", got)
				}
				if took > manyCycles*rtt {
					t.Errorf("took %v", took)
				}
				before := w.Sent(clientHost)
				time.Sleep(time.Hour)
				if sent := w.Sent(clientHost) - before; sent > 3600 {
					t.Errorf("%d packets in an idle hour", sent)
				}
				if n := old.look().asked - got.asked; n != 0 {
					t.Errorf("%d streams asked for in an idle hour", n)
				}
			})
		})
	}
}

// A client that wants more asks at the pace of failures.
func TestAnOldServerThatIsFullIsAskedNowAndThenAndUsedAsSoonAsThereIsRoom(t *testing.T) {
	resets := func(s *quicgo.Stream) { reset(s, 1) }
	closes := func(s *quicgo.Stream) { _ = s.Close() }
	for name, c := range map[string]struct {
		room   int
		refuse func(*quicgo.Stream)
	}{
		"from the beginning":    {0, resets},
		"and resets the others": {20, resets},
		"and closes the others": {20, closes},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				old := w.oldServer(c.room)
				old.refuse = c.refuse
				client := w.client(50, 50)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				before, sent := old.look(), w.Sent(clientHost)
				time.Sleep(10 * time.Minute)
				s := stats(client)
				got := old.look()
				t.Logf("%+v after 10 s, %+v after 10 min more", before, got)
				// While it has failed on all of its connections, the client tries another.
				if got.asked-before.asked > 600 || got.highest > 9 || got.conns > 40 {
					t.Errorf("%+v after 10 s, %+v after 10 min more", before, got)
				}
				if sent = w.Sent(clientHost) - sent; sent > 20*600 {
					t.Errorf("%d packets in 10 min", sent)
				}
				if s.Idle != c.room || s.OnLoan != 0 || s.Promised > 1 || s.Closing != 0 {
					t.Errorf("%+v", s) // one may be on its way, in vain
				}
				if old.count() != c.room || got.asked-got.refused != c.room || got.live < 1 {
					t.Errorf("the server has %d idle streams: %+v", old.count(), got)
				}
				for range c.room / 2 { // those that it has are of use
					c, s := old.find(client)
					usable(t, c, s)
				}
				begun := time.Now()
				old.setRoom(1000)
				w.full(50, client)
				t.Logf("recovered after %v", time.Since(begun))
				if took := time.Since(begun); took > 5*time.Second {
					t.Errorf("recovered after %v", took)
				}
			})
		})
	}
}

// So does one that checks addresses after the handshake.
func TestAServerThatEndsEveryConnectionIsDialledAtThePaceOfFailures(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var handshakes atomic.Int32
		w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
			handshakes.Add(1)
			conn.CloseWithError(0, "unauthorized IP")
		})
		client := w.client(20, 20)
		time.Sleep(time.Second)
		if err := client.running().Stats().LastError; err == nil || !strings.Contains(err.Error(), "unauthorized IP") {
			t.Errorf("after a second the latest failure is %v", err)
		}
		time.Sleep(time.Minute)
		if n := handshakes.Load(); n > 60 {
			t.Errorf("%d handshakes in a minute", n)
		}
	})
}

// It cannot be told that a connection is about to end, but takes the oldest streams first.
func TestConnectionsToAnOldServerAreRenewedAndNobodyNotices(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var queue []oldStream // longest idle first
		var ids []poolkit.ID
		var next, handshakes atomic.Uint32
		w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
			handshakes.Add(1)
			for {
				s, err := conn.AcceptStream(conn.Context())
				if err != nil {
					return
				}
				var b [1]byte
				var id poolkit.ID
				binary.BigEndian.PutUint32(id[:], next.Add(1))
				if _, err := io.ReadFull(s, b[:]); err != nil {
					continue
				}
				if _, err := s.Write(id[:]); err != nil {
					continue
				}
				mu.Lock()
				queue, ids = append(queue, oldStream{s, conn}), append(ids, id)
				mu.Unlock()
			}
		})
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20, MaxAge: time.Minute})
		ready(t, 20, client)
		time.Sleep(time.Second)
		taken, failed := 0, 0
		for begun := time.Now(); time.Since(begun) < 10*time.Minute; time.Sleep(122 * time.Millisecond) {
			mu.Lock()
			if len(queue) == 0 {
				mu.Unlock()
				continue
			}
			s, id := queue[0], ids[0]
			queue, ids = queue[1:], ids[1:]
			mu.Unlock()
			taken++
			time.Sleep(rtt / 2) // so long the ID is on its way
			l, ok := client.TryAcquireID(id)
			if !ok {
				failed++
				continue
			}
			l.Release()
			s.Close()
			s.CancelRead(0)
		}
		t.Logf("%d streams of %d connections", taken, handshakes.Load())
		if failed > 0 || taken < 3000 || handshakes.Load() < 8 {
			t.Errorf("%d of %d streams were gone before the client heard of it; %d connections", failed, taken, handshakes.Load())
		}
	})
}
