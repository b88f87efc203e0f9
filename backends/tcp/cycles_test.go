package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cycles is how often connections are opened and closed: 10,000 times, but for where each
// takes a millisecond or more of a core.
func cycles(w *site) int {
	n := 10_000
	if w.server != nil {
		n /= 10
	}
	if underRace || testing.Short() {
		n /= 10
	}
	return n
}

// Both ends call only Close, and never read to the end.
func TestManyCyclesReturnAllPlacesOnBothEnds(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(32)
		ctx, stop := context.WithTimeout(t.Context(), 5*patience)
		defer stop()
		var left atomic.Int64
		left.Store(int64(cycles(w)))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					s, err := server.Acquire(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					c, err := client.AcquireID(ctx, s.ID())
					if err != nil {
						t.Error(err)
						return
					}
					for _, l := range []lease{s, c} {
						if _, err := io.WriteString(l.Conn(), "nobody reads this"); err != nil && !isReset(err) {
							t.Error(err)
						}
						l.Conn().Close()
					}
				}
			})
		}
		wg.Wait()
		settled(t, 32, server, client)
	})
}

// isReset reports whether an error says that the peer has ended a connection.
func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !errors.Is(err, net.ErrClosed)
}

// An end that restarts, while connections are used all the time, costs those in use, and
// nothing else: nobody waits for long, and nobody gets a connection of the wrong ID.
func TestEitherEndRestartsUnderLoad(t *testing.T) {
	for _, restarts := range []string{"server", "client"} {
		t.Run("the "+restarts, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *site) {
				var mu sync.RWMutex // guards server and client
				server, client := w.pair(16)
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var done atomic.Int64
				var wg sync.WaitGroup
				for range 16 {
					wg.Go(func() {
						for ctx.Err() == nil {
							mu.RLock()
							a, b := server, client
							mu.RUnlock()
							if once(ctx, t, a, b) {
								done.Add(1)
							}
						}
					})
				}
				for range 5 {
					n := done.Load()
					eventually(t, "nobody gets through", func() bool { return done.Load() > n+20 })
					if restarts == "server" {
						server.Close()
						next := w.listen(ListenConfig{})
						mu.Lock()
						server = next
						mu.Unlock()
					} else {
						client.Close()
						next := w.dial(16, DialConfig{})
						mu.Lock()
						client = next
						mu.Unlock()
					}
				}
				n := done.Load()
				eventually(t, "nobody gets through", func() bool { return done.Load() > n+20 })
				stop()
				wg.Wait()
				settled(t, 16, server, client)
			})
		})
	}
}

// once takes a pair of connections, and checks that they are one. It reports false where
// one of the ends went away.
func once(ctx context.Context, t *testing.T, server, client *pool) bool {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	s, err := server.Acquire(ctx)
	if err != nil {
		return false
	}
	defer s.Release()
	id := s.ID().String()
	if _, err := io.WriteString(s.Conn(), id); err != nil {
		return false
	}
	c, err := client.AcquireID(ctx, s.ID())
	if err != nil {
		_ = s.Conn().Abort() // else the client would keep what was written for who asks for it
		return false
	}
	defer c.Release()
	got := make([]byte, len(id))
	if _, err := io.ReadFull(c.Conn(), got); err != nil {
		return false
	}
	if string(got) != id {
		t.Errorf("%s carried %q", id, got)
	}
	return true
}
