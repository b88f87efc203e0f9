package quic

import (
	"crypto/tls"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	quicgo "github.com/quic-go/quic-go"
)

// An exchange that is complete at the very moment at which it would be late is
// either reset and reported so, or left alone.
func TestAnExchangeThatSucceedsIsNotReset(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.bare()
		for range 100 {
			var wg sync.WaitGroup
			x := &exchanges{alarms: alarms{delay: time.Second}}
			for range 10 {
				s, err := client.OpenStreamSync(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					err := x.run(t.Context(), s, func(*quicgo.Stream) error {
						time.Sleep(time.Second) // so long as the alarm takes
						return nil
					})
					time.Sleep(rtt)
					if _, failed := s.Write([]byte("x")); (failed == nil) != (err == nil) {
						t.Errorf("the exchange: %v, the stream: %v", err, failed)
					}
					reset(s, codeDone)
				})
			}
			wg.Wait()
			for range 10 {
				s, err := server.AcceptStream(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				reset(s, codeDone)
			}
		}
	})
}

func TestAConnectionThatHasEndedIsForgotten(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		ended := make(map[string][]weak.Pointer[connection])
		for range 10 {
			c, s := take(t, client, server)
			ended["client"] = append(ended["client"], weak.Make(c.conn))
			ended["server"] = append(ended["server"], weak.Make(s.conn))
			_ = c.conn.CloseWithError(codeDone, "test")
			c.Close()
			s.Close()
			time.Sleep(time.Minute)
		}
		runtime.GC()
		runtime.GC()
		for end, conns := range ended {
			left := 0
			for _, p := range conns {
				if p.Value() != nil {
					left++
				}
			}
			if left > 1 { // the latest may still be on a stack
				t.Errorf("%s: %d of %d connections are still in memory", end, left, len(conns))
			}
		}
		settled(t, 20, client, server)
	})
}

func TestEachConnectionHasASessionOfItsOwn(t *testing.T) {
	cached, err := tls.NewResumptionState([]byte("ticket"), &tls.SessionState{EarlyData: true})
	if err != nil {
		t.Fatal(err)
	}
	conf := resuming(&tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)})
	if _, ok := conf.ClientSessionCache.Get("server"); ok {
		t.Error("got a session that nobody put")
	}
	conf.ClientSessionCache.Put("server", cached)
	for range 2 {
		got, ok := conf.ClientSessionCache.Get("server")
		if !ok {
			t.Fatal("no session")
		}
		ticket, session, err := got.ResumptionState()
		if string(ticket) != "ticket" || !session.EarlyData || err != nil {
			t.Errorf("%q, %+v, %v", ticket, session, err)
		}
		session.EarlyData = false // as quic-go does where the settings do not fit
	}
}
