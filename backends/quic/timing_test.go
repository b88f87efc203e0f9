package quic

import (
	"sync"
	"testing"
	"time"
)

// The times here are exact, on a path whose round trip takes 50 ms and which loses
// nothing. They are counted from the client's first packet.

func trips(d time.Duration) float64 { return d.Seconds() / rtt.Seconds() }

func TestAColdPoolIsFullAfterTwoRoundTrips(t *testing.T) {
	for _, n := range []int{1, 20, 128, 256, 1024} { // that is on up to 8 connections
		inWorld(t, func(t *testing.T, w *world) {
			server := w.server(n)
			begun := time.Now()
			client := w.client(n, n)
			w.full(n, client)
			took := time.Since(begun)
			t.Logf("%d streams: full after %v: %.2f round trips", n, took, trips(took))
			if took != 2*rtt {
				t.Errorf("full after %v, want %v", took, 2*rtt)
			}
			w.full(n, server) // at the latest half a round trip before
			if took := time.Since(begun); took != 2*rtt {
				t.Errorf("the server was full after %v", took)
			}
		})
	}
}

func TestA64ConnectionPoolIsFullAfterEightBatchesOfHandshakes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server(8192)
		begun := time.Now()
		w.full(8192, w.client(8192, 8192))
		took := time.Since(begun)
		t.Logf("full after %v: %.2f round trips", took, trips(took))
		if took > (maxShards/settingUp+1)*rtt {
			t.Errorf("full after %v", took)
		}
	})
}

func TestABurstOf256GetsOn64IdleIsServedInAFewRoundTrips(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(64)
		begun := time.Now()
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				id, s, err := server.IncomingGet(time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				c, err := client.OutgoingGet(id, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Second)
				c.Close()
				s.Close()
			})
		}
		wg.Wait()
		took := time.Since(begun) - time.Second
		t.Logf("served after %v: %.2f round trips", took, trips(took))
		if took > 6*rtt {
			t.Errorf("served after %v", took)
		}
	})
}

func TestOutgoingGetReturnsAtTheMomentTheStreamArrives(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(128)
		begun := time.Now()
		client := w.client(128, 128)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := client.OutgoingGet("00000000", time.Minute); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took != 2*rtt {
				t.Errorf("at the client after %v", took)
			}
		})
		wg.Go(func() {
			if _, err := server.OutgoingGet("00000000", time.Minute); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took != 3*rtt/2 {
				t.Errorf("at the server after %v", took)
			}
		})
		wg.Wait()
	})
}

func TestATakenStreamIsReplacedOneRoundTripLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(1)
		for range 50 {
			begun := time.Now()
			_, _, err := client.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took != 0 {
				t.Fatalf("taken after %v", took)
			}
			waitIdle(t, client, 1)
			if took := time.Since(begun); took != rtt {
				t.Fatalf("replaced after %v, want %v", took, rtt)
			}
		}
		if n := server.Active(); n != 51 {
			t.Errorf("the server has %d idle streams", n)
		}
	})
}

func TestTheFirstByteTakesHalfARoundTrip(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		time.Sleep(time.Minute)
		c, s := take(t, client, server)
		for _, ends := range [][2]*StreamConn{{c, s}, {s, c}} {
			begun := time.Now()
			carries(t, ends[0], ends[1])
			if took := time.Since(begun); took != rtt/2 {
				t.Errorf("took %v", took)
			}
		}
	})
}

func TestAnIdlePoolDoesNothingButProbeThePeer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(128)
		time.Sleep(time.Minute)
		before := [2]any{stats(client), stats(server)}
		sent := w.Sent(clientHost) + w.Sent(serverHost)
		time.Sleep(time.Hour)
		if after := [2]any{stats(client), stats(server)}; after != before {
			t.Errorf("in an idle hour %+v became %+v", before, after)
		}
		sent = w.Sent(clientHost) + w.Sent(serverHost) - sent
		t.Logf("%d packets in an idle hour", sent)
		if most := 4 * int(time.Hour/probeAfter); sent > most {
			t.Errorf("%d packets in an idle hour, want no more than %d", sent, most)
		}
	})
}
