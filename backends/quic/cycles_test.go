package quic

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Neither end reads to the end of the stream, as applications of old peers do not.
func TestTenThousandStreamsAreTakenAndClosedAndNoPlaceIsLost(t *testing.T) {
	n := sparing(1_000, 10_000)
	for _, c := range []struct {
		maxCap, workers int
		write           bool
	}{{128, 1, false}, {128, 64, false}, {64, 16, true}} {
		t.Run(fmt.Sprintf("%d streams, %d workers, written to: %v", c.maxCap, c.workers, c.write), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(c.maxCap)
				begun := time.Now()
				cycles(t, client, server, c.workers, int64(n), c.write)
				took := time.Since(begun)
				t.Logf("%v, that is %v for each, over %d connections", took, took/time.Duration(n), stats(client).Shards)
				time.Sleep(time.Minute)
				settled(t, c.maxCap, client, server)
				noPlaceLost(t, client, server)
			})
		})
	}
}

// cycles takes so many streams at both ends and closes them.
func cycles(t *testing.T, client, server *Pool, workers int, n int64, write bool) {
	t.Helper()
	var left atomic.Int64
	left.Store(n)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				id, s, err := server.IncomingGet(30 * time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				c, err := client.OutgoingGet(id, 30*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				if write {
					_, err1 := c.Write([]byte("never read"))
					_, err2 := s.Write([]byte("never read"))
					if err1 != nil || err2 != nil {
						t.Error(err1, err2)
					}
				}
				c.Close()
				s.Close()
			}
		})
	}
	wg.Wait()
}

// noPlaceLost checks that the first connection of a client still has all of its 128
// places: that many streams fit on it again.
func noPlaceLost(t *testing.T, client, server *Pool) {
	t.Helper()
	client.running().Resize(0, 0)
	time.Sleep(vacancy / 2) // the first connection stays
	settled(t, 0, client, server)
	client.running().Resize(places, places)
	time.Sleep(vacancy / 2)
	settled(t, places, client, server)
	if n := stats(client).Shards; n != 1 {
		t.Errorf("%d idle streams are on %d connections", places, n)
	}
}

func TestWorkThatTakesAndClosesDoesNotWaitForRounds(t *testing.T) {
	took := make(map[time.Duration]time.Duration)
	for _, minIvl := range []time.Duration{time.Millisecond, time.Second, time.Hour} {
		inWorld(t, func(t *testing.T, w *world) {
			server := w.server(128)
			client := newClientPool(128, 128, minIvl, minIvl, 0, "0", "localhost",
				func() (string, error) { return w.Addr(serverHost), nil }, w.Socket(clientHost))
			defer client.Close()
			client.ClientManager()
			w.full(128, client, server)
			begun := time.Now()
			cycles(t, client, server, 64, 5000, false)
			took[minIvl] = time.Since(begun)
			t.Logf("minIvl %v: %v", minIvl, took[minIvl])
		})
	}
	if slow, fast := took[time.Hour], took[time.Millisecond]; slow > fast+fast/2 {
		t.Errorf("%v with rounds every hour, %v with rounds every millisecond", slow, fast)
	}
}
