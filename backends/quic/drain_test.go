package quic

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// chosen takes streams at the server, as it chooses, until stop is closed, and sends
// their IDs to the client, which takes them half a round trip later. None may be dead.
func chosen(t *testing.T, client, server *native, stop <-chan struct{}) (taken int) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case <-stop:
			return taken
		case <-time.After(20 * time.Millisecond):
		}
		s, ok := server.TryAcquire()
		if !ok {
			continue
		}
		taken++
		wg.Go(func() {
			time.Sleep(rtt / 2)
			c, err := client.AcquireID(t.Context(), s.ID())
			if err != nil {
				t.Errorf("the server chose a stream that the client does not have: %v", err)
				return
			}
			usable(t, c.Conn(), s.Conn())
			c.Release()
			s.Release()
		})
	}
}

// shutdown shuts a pool down, and returns how long that took.
func shutdown(t *testing.T, p *native) time.Duration {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	return time.Since(begun)
}

func TestWhatTheServerHasJustTakenOutlivesARenewal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{})
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20, MaxAge: 20 * time.Second})
		ready(t, 20, client, server)
		stop := make(chan struct{})
		time.AfterFunc(2*time.Minute, func() { close(stop) })
		if taken := chosen(t, client, server, stop); taken < 6000*9/10 {
			t.Errorf("the server found only %d streams in two minutes", taken)
		}
		if n := w.handshakes.Load(); n < 6 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestWhatTheServerHasJustTakenOutlivesTheClientsShutdown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.natives(100)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { chosen(t, client, server, stop) })
		time.Sleep(5 * time.Second)
		took := shutdown(t, client)
		t.Logf("took %v", took)
		if took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		close(stop)
		wg.Wait()
		synctest.Wait()
		if s := server.Stats(); s.Open() != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestClientsGoElsewhereBeforeAServerShutsDown(t *testing.T) {
	for name, taken := range map[string]func(t *testing.T, w *world, client, one, other *native, stop <-chan struct{}){
		"the client takes": func(t *testing.T, w *world, client, one, other *native, stop <-chan struct{}) {
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
				}
				c, ok := client.TryAcquire()
				if !ok {
					t.Error("no stream is ready")
					return
				}
				server := one
				if c.Conn().RemoteAddr().String() == w.Addr(thirdHost) {
					server = other
				}
				s, err := server.AcquireID(t.Context(), c.ID())
				if err != nil {
					t.Error(err)
					return
				}
				usable(t, c.Conn(), s.Conn())
				c.Release()
				s.Release()
			}
		},
		"the server takes": func(t *testing.T, _ *world, client, one, _ *native, stop <-chan struct{}) {
			chosen(t, client, one, stop)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, one, other := w.twoServers()
				stop := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() { taken(t, w, client, one, other, stop) })
				time.Sleep(5 * time.Second)
				took := shutdown(t, one)
				t.Logf("took %v", took)
				if took > partingTime {
					t.Errorf("took %v, as if nobody had gone", took)
				}
				time.Sleep(5 * time.Second)
				close(stop)
				wg.Wait()
				idle(t, "afterwards", map[*native]int{client: 40, other: 40})
				if s := client.Stats(); s.Waits != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestAServerThatHasNowhereToSendItsClientsShutsDownAfterAWhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.natives(20)
		c, s := borrow(t, client, server)
		time.AfterFunc(30*time.Second, s.Release)
		time.AfterFunc(10*time.Second, func() { // in use, it goes on as if nothing had happened
			usable(t, c.Conn(), s.Conn())
		})
		if took := shutdown(t, server); took < 30*time.Second || took > 31*time.Second {
			t.Errorf("took %v", took)
		}
		c.Release()
	})
}

func TestAnUnusedServerShutsDownAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{})
		if took := shutdown(t, server); took > quietTime {
			t.Errorf("took %v", took)
		}
		if _, err := server.Acquire(t.Context()); !errors.Is(err, poolkit.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestWhatWasWrittenArrivesThoughThePoolShutsDown(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB, many round trips
	for _, end := range []string{"client", "server"} {
		for _, loss := range []float64{0, 0.05} {
			t.Run(end, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					client, server := w.natives(20)
					from, to := borrow(t, client, server)
					pool := client
					if end == "server" {
						from, to, pool = to, from, server
					}
					w.Lose(loss)
					var got []byte
					var err error
					var wg sync.WaitGroup
					wg.Go(func() { got, err = io.ReadAll(to.Conn()) })
					if _, err := from.Conn().Write(message); err != nil {
						t.Fatal(err)
					}
					from.Release()
					took := shutdown(t, pool)
					wg.Wait()
					t.Logf("loss %.0f %%: %d of %d bytes arrived, Shutdown took %v", 100*loss, len(got), len(message), took)
					if err != nil || !bytes.Equal(got, message) {
						t.Errorf("read %d of %d bytes, %v", len(got), len(message), err)
					}
				})
			})
		}
	}
}
