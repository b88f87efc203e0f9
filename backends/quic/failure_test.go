package quic

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
)

// kill ends a pool without a word to its peer, as a crash does.
func (w *world) kill(host int, p *Pool) {
	w.Cut(host, true)
	p.Close()
	w.Cut(host, false)
}

// works checks that pools hand out pairs that carry bytes, more than were idle.
func works(t *testing.T, n int, client, server *Pool) {
	t.Helper()
	for range 2 * n {
		c, s := take(t, client, server)
		usable(t, c, s)
		c.Close()
		s.Close()
	}
}

func TestAClientRecoversFromACrashOfTheServer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(200)
		c, _ := take(t, client, server)
		time.Sleep(time.Minute)
		begun := time.Now()
		w.kill(serverHost, server)
		server = w.server(200)
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a stream in use goes on")
		}
		lost := time.Since(begun)
		c.Close()
		w.full(200, server)
		t.Logf("lost after %v, full again after %v", lost, time.Since(begun))
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("full again after %v", took)
		}
		time.Sleep(time.Second)
		w.full(200, client)
		works(t, 200, client, server)
	})
}

func TestAClientRecoversAsSoonAsAServerIsBack(t *testing.T) {
	for _, away := range []time.Duration{0, time.Second, 20 * time.Second, 10 * time.Minute} {
		t.Run(fmt.Sprint(away), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(200)
				server.Close()
				time.Sleep(away)
				begun := time.Now()
				server = w.server(200)
				w.full(200, server)
				took := time.Since(begun)
				t.Logf("full again after %v", took)
				// An attempt that is under way repeats its first packet after 3 s and gives up
				// after 5; the longest pause, 2.5 s, may come after it. Then one stream has to
				// arrive before the others are asked for, on two connections. If the closing
				// server ended streams that had just arrived, the next has to last a second.
				const proof = time.Second
				if took > away+proof+4*rtt || took > 2*time.Second+longestPause+proof+8*rtt {
					t.Errorf("full again after %v", took)
				}
				time.Sleep(time.Second)
				works(t, 200, client, server)
			})
		})
	}
}

func TestAServerForgetsAClientThatCrashed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(200)
		other := w.clientAt(thirdHost, 50, 50)
		time.Sleep(time.Minute)
		w.full(250, server)
		w.kill(clientHost, client)
		time.Sleep(giveUpAfter + 2*beat)
		w.full(50, server)
		works(t, 50, other, server)
		client = w.client(200, 200)
		w.full(200, client)
		time.Sleep(time.Second)
		w.full(250, server)
	})
}

func TestPoolsOutliveADarkNetwork(t *testing.T) {
	for _, dark := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute} {
		t.Run(fmt.Sprint(dark), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(200)
				time.Sleep(time.Minute)
				c, s := take(t, client, server)
				time.Sleep(time.Second)
				w.Cut(serverHost, true)
				time.Sleep(dark)
				if idle := client.Active() + server.Active(); dark > 6*time.Second && idle != 0 {
					t.Errorf("%d streams are idle though the network has been dark for %v", idle, dark)
				}
				w.Cut(serverHost, false)
				begun := time.Now()
				waitIdle(t, client, 200)
				waitIdle(t, server, 200)
				t.Logf("full again after %v", time.Since(begun))
				if took := time.Since(begun); took > handshakeTimeout+3*time.Second {
					t.Errorf("full again after %v", took)
				}
				works(t, 200, client, server)
				if dark < giveUpAfter/2 {
					usable(t, c, s) // it was not given up
				}
				c.Close()
				s.Close()
				time.Sleep(time.Minute)
				settled(t, 200, client, server)
			})
		})
	}
}

func TestPoolsWorkOnALossyNetwork(t *testing.T) {
	for _, loss := range []float64{0.05, 0.2} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.Lose(loss)
				w.Jitter(rtt)
				server := w.server(200)
				begun := time.Now()
				client := w.client(200, 200)
				w.full(200, client)
				t.Logf("full after %v", time.Since(begun))
				worksDespiteLoss(t, 300, client, server)
				w.Lose(0)
				time.Sleep(2 * time.Minute)
				settled(t, 200, client, server)
			})
		})
	}
}

// worksDespiteLoss is works where the other end of a stream may never arrive.
func worksDespiteLoss(t *testing.T, n int, client, server *Pool) {
	t.Helper()
	vain := 0
	for range n {
		id, s, err := server.IncomingGet(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.OutgoingGet(id, 30*time.Second)
		if err != nil {
			vain++
			s.Close()
			continue
		}
		usable(t, c, s)
		if _, err := s.Write([]byte("the end")); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if got, err := io.ReadAll(c); string(got) != "the end" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		c.Close()
	}
	t.Logf("%d of %d in vain", vain, n)
	if vain > n/20 {
		t.Errorf("%d of %d in vain", vain, n)
	}
}

func TestNoStreamOfAConnectionThatIsKnownToBeDeadIsHandedOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(500)
		server.Close()
		time.Sleep(rtt/2 + time.Millisecond) // the news travels
		_, _, err := client.IncomingGet(time.Second)
		compattest.IsTimeout(t, err)
		if n := client.Active(); n != 0 {
			t.Errorf("%d idle streams", n)
		}
	})
}

func TestOneLostConnectionDoesNotDisturbTheOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(256)
		var held []*StreamConn
		for range 64 {
			c, s := take(t, client, server)
			held = append(held, c, s)
		}
		time.Sleep(time.Second)
		c, s := take(t, client, server)
		_ = c.conn.CloseWithError(codeDone, "test")
		time.Sleep(rtt)
		kept := 0
		for i := 0; i < len(held); i += 2 {
			if held[i].conn != c.conn {
				kept++
				usable(t, held[i], held[i+1])
			}
		}
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Error("a stream of the lost connection goes on")
		}
		t.Logf("%d of 64 streams in use were on other connections", kept)
		time.Sleep(time.Second)
		w.full(256, client, server)
		works(t, 256, client, server)
	})
}

func TestWhoWouldRatherKnowThanWaitIsToldThatNobodyAnswers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		p := w.dial(DialConfig{FailFast: true})
		begun := time.Now()
		_, err := p.Acquire(t.Context())
		if err == nil || time.Since(begun) != 3*handshakeTimeout {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
	})
}
