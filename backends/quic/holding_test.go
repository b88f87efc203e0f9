package quic

import (
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
)

// These are about streams that are taken and not given back.

func TestHeldStreamsAreReplacedOnFurtherConnections(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(128)
		var held []*StreamConn
		for range 3 * 128 {
			c, s := take(t, client, server)
			held = append(held, c, s)
		}
		time.Sleep(time.Second)
		w.full(128, client, server)
		if n := stats(client).Shards; n != 4 {
			t.Errorf("384 streams held and 128 idle are on %d connections", n)
		}
		for i := 0; i < len(held); i += 2 {
			usable(t, held[i], held[i+1])
		}
	})
}

// The server's application has closed, but the client's has not: places come back
// only when both have.
func TestStreamsHeldByOneEndAloneAreReplaced(t *testing.T) {
	for _, holder := range []string{"client", "server"} {
		t.Run("by the "+holder, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(128)
				var held []*StreamConn
				for range 3 * 128 {
					c, s := take(t, client, server)
					if holder == "client" {
						held = append(held, c)
						s.Close()
					} else {
						held = append(held, s)
						c.Close()
					}
				}
				time.Sleep(time.Minute)
				w.full(128, client, server)
				c, s := take(t, client, server)
				usable(t, c, s)
				for _, s := range held {
					s.Close()
				}
				c.Close()
				s.Close()
				time.Sleep(time.Minute)
				settled(t, 128, client, server)
			})
		})
	}
}

// The server hands out nothing of its own accord; only the client's user takes.
func TestStreamsTakenOnlyAtTheClientAreReplaced(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(128)
		for range 128 {
			if _, _, err := client.IncomingGet(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		w.full(128, client)
		if n := server.Active(); n != 256 { // it does not know what is held over there
			t.Errorf("the server has %d idle streams", n)
		}
		if n := stats(client).Shards; n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestAtMost64ConnectionsAreOpenedAndAReleaseHelpsWhoWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("holds 8192 streams")
	}
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(128)
		var clients, servers []*StreamConn
		for range places * maxShards {
			c, s := take(t, client, server)
			clients, servers = append(clients, c), append(servers, s)
		}
		time.Sleep(time.Second)
		settledHolding(t, places*maxShards, client, server)

		// All places are held: the getters end at their timeout, and no later.
		for range 3 {
			begun := time.Now()
			_, _, err := client.IncomingGet(1500 * time.Millisecond)
			compattest.IsTimeout(t, err)
			_, _, err = server.IncomingGet(1500 * time.Millisecond)
			compattest.IsTimeout(t, err)
			if took := time.Since(begun); took != 3*time.Second {
				t.Errorf("two timeouts of 1.5 s took %v", took)
			}
		}

		// A release makes room for somebody who waits.
		go func() {
			time.Sleep(time.Second)
			clients[777].Close()
			servers[777].Close()
		}()
		begun := time.Now()
		id, s, err := server.IncomingGet(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("served %v after the release", time.Since(begun)-time.Second)
		if took := time.Since(begun) - time.Second; took > time.Second {
			t.Errorf("served %v after the release", took)
		}
		c, err := client.OutgoingGet(id, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		usable(t, c, s)

		for i := range clients {
			clients[i].Close()
			servers[i].Close()
		}
		c.Close()
		s.Close()
		time.Sleep(10 * vacancy)
		settled(t, 128, client, server)
		t.Logf("%d connections left", stats(client).Shards)
	})
}

func settledHolding(t *testing.T, n int, pools ...*Pool) {
	t.Helper()
	for _, p := range pools {
		if s := stats(p); s.OnLoan != n || s.Shards != maxShards || s.Open() != n {
			t.Errorf("want %d in use on %d connections: %+v", n, maxShards, s)
		}
	}
}

func TestExtraConnectionsCloseWhenTheyHaveBeenVacantForAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, acceptor := w.acceptor()
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20})
		var held []lease
		for range 500 {
			c, s := borrow(t, client, server)
			held = append(held, c, s)
		}
		time.Sleep(time.Second)
		if n := acceptor.connections(); n != 5 {
			t.Fatalf("%d connections carry 520 streams", n)
		}
		for _, l := range held {
			l.Release()
		}
		time.Sleep(vacancy - time.Second)
		if n := acceptor.connections(); n != 5 {
			t.Errorf("%d connections before they had been vacant for %v", n, vacancy)
		}
		time.Sleep(2 * time.Second)
		if n := acceptor.connections(); n != 2 { // the idle streams were on the last two
			t.Errorf("%d connections carry 20 streams", n)
		}
		for range 20 { // their replacements go to the first
			c, s := borrow(t, client, server)
			c.Release()
			s.Release()
		}
		time.Sleep(vacancy + time.Second)
		if n := acceptor.connections(); n != 1 {
			t.Errorf("%d connections carry 20 streams that were all used", n)
		}
		if c, s := client.Stats(), server.Stats(); c.Open() != 20 || s.Open() != 20 {
			t.Errorf("%+v, %+v", c, s)
		}
		for range 500 { // and they open again
			c, s := borrow(t, client, server)
			usable(t, c.Conn(), s.Conn())
		}
	})
}
