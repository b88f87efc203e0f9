package quic

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// These are about exchanges that take long for other reasons than a stall.

// forgets starts a native server pool that leaves unanswered so many of the offers, every
// second one. It is closed with the test.
func (w *world) forgets(offers *int) *acceptor {
	w.Helper()
	a, err := listen(acceptorConfig{socket: w.Socket(serverHost), tls: w.tls})
	if err != nil {
		w.Fatal(err)
	}
	cfg := a.poolConfig(places, poolkit.Hooks{})
	cfg.Acceptor = forgetful{a, offers}
	p, err := poolkit.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { p.Close() })
	return a
}

func TestAnExchangeThatIsForgottenIsMadeAnew(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		left := 5
		a := w.forgets(&left)
		client := w.dial(DialConfig{MinCapacity: 4, MaxCapacity: 4})
		for range 30 {
			ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
			c, err := client.Acquire(ctx)
			stop()
			if err != nil {
				t.Fatal(err)
			}
			c.Release()
		}
		if left > 0 {
			t.Errorf("%d exchanges yet to be forgotten", left)
		}
		if got := a.connections(); got != 1 {
			t.Errorf("%d connections", got)
		}
		if s := client.Stats(); s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A server that never answers has not stalled: it is a failure, and is reported.
func TestAConnectionThatHasNeverCarriedAnythingIsNotTakenForStalled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		all := -1
		a := w.forgets(&all)
		client := w.dial(DialConfig{})
		time.Sleep(2 * exchangeTimeout)
		if s := client.Stats(); s.Failed == 0 {
			t.Errorf("%+v", s)
		}
		if got := a.connections(); got > 2 {
			t.Errorf("%d connections", got)
		}
	})
}

func TestASilentPeerIsNotTakenForStalled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, a := w.acceptor()
		client := w.dial(DialConfig{MinCapacity: 4, MaxCapacity: 4})
		for range 10 { // it is heard until it is not
			c, s := borrow(t, client, server)
			c.Release()
			s.Release()
			time.Sleep(beat / 2)
		}
		w.Cut(serverHost, true)
		c, err := client.Acquire(t.Context()) // it is to be replaced
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(suspectAfter - beat/2)
		w.Cut(serverHost, false)
		s, err := server.AcquireID(t.Context(), c.ID())
		if err != nil {
			t.Fatal(err)
		}
		usable(t, c.Conn(), s.Conn())
		time.Sleep(handshakeTimeout)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.next != 1 {
			t.Errorf("%d connections were made", a.next)
		}
	})
}

// forgetful is an acceptor that leaves some offers unanswered, or all if that is negative.
type forgetful struct {
	*acceptor
	left *int
}

func (f forgetful) Accept(ctx context.Context) (poolkit.Offer[*StreamConn], error) {
	for count := 0; ; count++ {
		o, err := f.acceptor.Accept(ctx)
		if err != nil || *f.left == 0 || *f.left > 0 && count > 0 {
			return o, err
		}
		*f.left = max(*f.left-1, -1)
	}
}

// With losses, exchanges take their time, but a connection is not taken for stalled.
func TestALossyConnectionIsNotTakenForStalled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, a := w.acceptor()
		client := w.dial(DialConfig{MinCapacity: 8, MaxCapacity: 8})
		if err := client.WaitReady(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		w.Lose(0.2)
		for range 300 {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			c, err := client.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			s, err := server.AcquireID(ctx, c.ID())
			stop()
			c.Release()
			if err == nil {
				s.Release()
			} else if !errors.Is(err, poolkit.ErrLost) {
				t.Fatal(err)
			}
			time.Sleep(rtt)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.next != 1 {
			t.Errorf("%d connections were made", a.next)
		}
	})
}
