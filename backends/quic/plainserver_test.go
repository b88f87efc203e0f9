package quic

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// These are about old servers on quic-go alone; see plainPeer.

// plainServer starts an old server with room for that many idle streams.
func (w *world) plainServer(room int) *plainServer {
	w.Helper()
	return newPlainServer(w.T, w.Socket(serverHost), w.tls, room)
}

func TestAClientFindsEveryStreamOfAnOldServerByItsID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old, client := w.plainServer(1000), w.client(20, 20)
		w.full(20, client)
		synctest.Wait()
		first, err := client.OutgoingGet("00000000", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, s := old.take("00000000")
		usable(t, first, s)
		for range 60 {
			id, s := old.take("")
			c, err := client.OutgoingGet(id, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			usable(t, c, s)
			id, c, err = client.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_, s = old.take(id)
			usable(t, s, c)
		}
		if _, _, conns, _, _ := old.look(); conns != 2 {
			t.Errorf("%d connections for 141 streams", conns)
		}
	})
}

// plainCycles takes so many streams at both ends, which then end them in some way.
func plainCycles(t *testing.T, client *Pool, old *plainServer, workers, n int, end func(c *StreamConn, s plainStream)) {
	t.Helper()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range n / workers {
				id, c, err := client.IncomingGet(time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				_, s := old.take(id)
				end(c.(*StreamConn), s)
			}
		})
	}
	wg.Wait()
}

// readToEnd reads what the other end wrote, and its end.
func readToEnd(t *testing.T, s io.Reader, want string) {
	t.Helper()
	if got, err := io.ReadAll(s); string(got) != want || err != nil {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

func TestAThousandCyclesWithAnOldServerThatReadsToTheEndNeedOneConnection(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, c *StreamConn, s plainStream){
		"we close first": func(t *testing.T, c *StreamConn, s plainStream) {
			usable(t, c, s)
			c.Close()
			readToEnd(t, s, "")
			s.Close()
		},
		"it closes first": func(t *testing.T, c *StreamConn, s plainStream) {
			usable(t, s, c)
			s.Close()
			readToEnd(t, c, "")
			c.Close()
			readToEnd(t, s, "")
		},
		"a request and an answer": func(t *testing.T, c *StreamConn, s plainStream) {
			if _, err := c.Write([]byte("request")); err != nil {
				t.Error(err)
			}
			c.Close()
			readToEnd(t, s, "request")
			if _, err := s.Write([]byte("answer")); err != nil {
				t.Error(err)
			}
			s.Close()
			readToEnd(t, c, "answer")
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				old, client := w.plainServer(1000), w.client(20, 20)
				plainCycles(t, client, old, 8, 1000, func(c *StreamConn, s plainStream) { end(t, c, s) })
				time.Sleep(10 * time.Second)
				settled(t, 20, client)
				if asked, _, conns, _, _ := old.look(); conns != 1 || asked != 1020 || old.count() != 20 {
					t.Errorf("%d connections, %d streams, %d left", conns, asked, old.count())
				}
			})
		})
	}
}

// An application that only ever calls Close never gives a place back. Ours come back
// when their connection has been without streams for a while.
func TestAThousandCyclesWithAnOldServerThatOnlyClosesGoOnOnFurtherConnections(t *testing.T) {
	for name, end := range map[string]func(c *StreamConn, s plainStream){
		"and so do we": func(c *StreamConn, s plainStream) { c.Close(); s.Close() },
		"after we did": func(c *StreamConn, s plainStream) { c.Close(); time.Sleep(rtt); s.Close() },
		"before we do": func(c *StreamConn, s plainStream) { s.Close(); time.Sleep(rtt); c.Close() },
		"and both have written": func(c *StreamConn, s plainStream) {
			_, _ = c.Write([]byte("unread"))
			_, _ = s.Write([]byte("unread"))
			s.Close()
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				old, client := w.plainServer(1000), w.client(20, 20)
				begun := time.Now()
				plainCycles(t, client, old, 8, 1000, end)
				took := time.Since(begun)
				time.Sleep(2 * vacancy)
				synctest.Wait()
				settled(t, 20, client)
				asked, _, conns, live, highest := old.look()
				t.Logf("%v: %d streams asked for, %d connections, %d at once, %d left", took, asked, conns, highest, live)
				if asked != 1020 || conns > 12 || live > 2 {
					t.Errorf("%d streams asked for, %d connections, %d left", asked, conns, live)
				}
				if took > 1000*rtt {
					t.Errorf("took %v", took)
				}
				before := w.Sent(clientHost)
				time.Sleep(time.Hour)
				if sent := w.Sent(clientHost) - before; sent > 3600 {
					t.Errorf("%d packets in an idle hour", sent)
				}
				if again, _, _, _, _ := old.look(); again != asked {
					t.Errorf("%d streams asked for in an idle hour", again-asked)
				}
			})
		})
	}
}

func TestAnOldServerThatIsFullIsAskedNowAndThenAndUsedAsSoonAsThereIsRoom(t *testing.T) {
	for _, room := range []int{0, 20} {
		inWorld(t, func(t *testing.T, w *world) {
			old, client := w.plainServer(room), w.client(50, 50)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			asked, _, conns, _, _ := old.look()
			t.Logf("room for %d: %d asked for in 10 s on %d connections", room, asked, conns)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			again, refused, connsAgain, live, highest := old.look()
			t.Logf("room for %d: %d asked for in 10 min on %d connections, %d at once", room, again-asked, connsAgain, highest)
			// While it has failed on all of its connections, the client tries another.
			if again-asked > 600 || highest > 9 || connsAgain > 40 {
				t.Errorf("%d attempts in ten minutes, on %d connections, up to %d at once", again-asked, connsAgain, highest)
			}
			if s := stats(client); s.Idle != room || s.OnLoan != 0 || s.Promised > 1 || s.Closing != 0 {
				t.Errorf("%+v", s) // one may be on its way, in vain
			}
			if old.count() != room || again-refused != room || live < 1 {
				t.Errorf("the server has %d idle streams, accepted %d, on %d connections", old.count(), again-refused, live)
			}
			if room > 0 { // those that it has are of use
				id, s := old.take("")
				c, err := client.OutgoingGet(id, 0)
				if err != nil {
					t.Fatal(err)
				}
				usable(t, c, s)
			}
			begun := time.Now()
			old.setRoom(1000)
			w.full(50, client)
			t.Logf("room for %d: recovered after %v", room, time.Since(begun))
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("recovered after %v", took)
			}
		})
	}
}

func TestAnOldServerTakesNoProbesAndIsNotSuspected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old, client := w.plainServer(1000), w.client(20, 20)
		w.full(20, client)
		before := w.Sent(clientHost)
		time.Sleep(time.Hour)
		synctest.Wait()
		if sent := w.Sent(clientHost) - before; sent > 2*3600/10+10 {
			t.Errorf("%d packets in an idle hour", sent)
		}
		w.Cut(serverHost, true)
		time.Sleep(giveUpAfter + 5*beat) // a peer that takes probes would be given up
		w.Cut(serverHost, false)
		time.Sleep(time.Minute)
		synctest.Wait()
		settled(t, 20, client)
		if asked, _, conns, _, _ := old.look(); asked != 20 || conns != 1 {
			t.Errorf("%d streams on %d connections", asked, conns)
		}
		c, s := plainPair(t, client, old)
		usable(t, c, s)
		begun := time.Now()
		w.Cut(serverHost, true)
		_, err := c.Read(make([]byte, 1))
		t.Logf("given up after %v: %v", time.Since(begun), err)
		if took := time.Since(begun); took > idleTimeout+defaultKeepAlive {
			t.Errorf("given up after %v", took)
		}
	})
}

func plainPair(t *testing.T, client *Pool, old *plainServer) (c *StreamConn, s plainStream) {
	t.Helper()
	id, s := old.take("")
	got, err := client.OutgoingGet(id, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return got.(*StreamConn), s
}
