package quic

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// silent cuts off the server, and returns how long it took until a condition held.
func (w *world) silent(most time.Duration, held func() bool) time.Duration {
	w.Helper()
	begun := time.Now()
	w.Cut(serverHost, true)
	for !held() {
		if time.Since(begun) > most {
			w.Fatalf("not after %v", most)
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
	}
	return time.Since(begun)
}

func TestNobodyIsHandedAStreamSixSecondsAfterThePeerWentSilent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		for _, phase := range []time.Duration{0, 300 * time.Millisecond, 700 * time.Millisecond} {
			time.Sleep(20*time.Second + phase)
			took := w.silent(7*time.Second, func() bool { return client.Active() == 0 && server.Active() == 0 })
			if took > 6*time.Second+100*time.Millisecond {
				t.Errorf("idle streams of a silent peer stayed for %v", took)
			}
			w.Cut(serverHost, false)
			time.Sleep(30 * time.Second)
			w.full(20, client, server)
		}
	})
}

func TestAConnectionIsClosedTwelveSecondsAfterThePeerWentSilent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		c, s := take(t, client, server)
		begun := time.Now()
		w.Cut(serverHost, true)
		for _, end := range []*StreamConn{c, s} {
			_, err := end.Read(make([]byte, 1))
			if took := time.Since(begun); took > 12*time.Second+100*time.Millisecond {
				t.Errorf("a read ended after %v: %v", took, err)
			}
			var timeout interface{ Timeout() bool }
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Errorf("%v says it is a timeout", err)
			}
		}
	})
}

func TestStreamsInUseSurviveAShortSilence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		c, s := take(t, client, server)
		time.Sleep(10 * time.Second)
		w.silent(7*time.Second, func() bool { return client.Active() == 0 })
		time.Sleep(2 * time.Second)
		w.Cut(serverHost, false)
		time.Sleep(5 * time.Second)
		usable(t, c, s)
		w.full(20, client, server)
	})
}

func TestAnIdleConnectionCarriesOneProbeInFiveSeconds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		time.Sleep(time.Minute)
		before := w.Sent(clientHost) + w.Sent(serverHost)
		time.Sleep(time.Hour)
		if sent := w.Sent(clientHost) + w.Sent(serverHost) - before; sent > 4*3600/4 {
			t.Errorf("%d packets in an hour in which nothing happened", sent)
		}
		w.full(20, client, server)
		if !client.Ready() {
			t.Error("the pool has been closed")
		}
	})
}

func TestABeatAfterTheEndTakesNoMoreStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conn, _ := w.bare()
		c := newConnection(conn, serverPreface, nil)
		c.suspect()
		conn.CloseWithError(0, "")
		synctest.Wait()
		c.trust()
		c.roster.mu.Lock()
		defer c.roster.mu.Unlock()
		if !c.roster.lost {
			t.Error("streams are taken on a connection that has ended")
		}
	})
}

// Whoever was stopped for a while finds what came meanwhile after it has looked first.
func TestAProcessThatWasStoppedSuspectsNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conn, _ := w.bare()
		c := newConnection(conn, serverPreface, nil)
		c.pulse.start(c)
		time.Sleep(10*time.Second + beat/2)
		for _, stopped := range []time.Duration{8 * time.Second, 20 * time.Second} {
			p := &c.pulse
			p.mu.Lock()
			p.heardAt, p.due = p.heardAt.Add(-stopped), time.Now().Add(-stopped)
			p.mu.Unlock()
			p.beat(c)
			if c.pulse.suspected.Load() || c.Context().Err() != nil {
				t.Errorf("after %v without a beat the peer counts as silent", stopped)
			}
			time.Sleep(5 * time.Second)
		}
	})
}
