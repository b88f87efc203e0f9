package quic

import (
	"context"
	"io"
	"testing"
	"time"
)

// These are about connections on which nothing moves because nobody reads.

// frugal starts pools of n streams whose connections admit little, and a stream of
// theirs that has used it up: the reader's end got so many bytes, and has read none of
// the rest. The reader is the client, or the server.
func (w *world) frugal(n int, reader string) (client, server *native, a *acceptor, from, to lease, unread int64) {
	w.Helper()
	server, a = w.guarded(acceptorConfig{memory: smallestBudget})
	client = w.dial(DialConfig{MinCapacity: n, MaxCapacity: n, MemoryBudget: smallestBudget})
	if err := client.WaitReady(w.Context(), n); err != nil {
		w.Fatal(err)
	}
	to, from = borrow(w, client, server)
	if reader == "server" {
		from, to = to, from
	}
	const read = 4 << 20 // the stream's window grows beyond the connection's
	go func() { _, _ = io.CopyN(io.Discard, to.Conn(), read) }()
	unread = fill(w, from.Conn()) - read
	if unread < baseWindow*3/4 {
		w.Fatalf("only %d bytes stand unread", unread)
	}
	return client, server, a, from, to, unread
}

func onEitherSide(t *testing.T, test func(t *testing.T, w *world, reader string)) {
	t.Helper()
	for _, reader := range []string{"client", "server"} {
		t.Run("the "+reader+" does not read", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) { test(t, w, reader) })
		})
	}
}

func TestAStalledConnectionIsReplaced(t *testing.T) {
	onEitherSide(t, func(t *testing.T, w *world, reader string) {
		const n = 20
		client, server, a, from, to, unread := w.frugal(n, reader)
		// Until it is noticed, streams of the stalled connection are handed out.
		c, s := borrow(t, client, server)
		begun := time.Now()
		for a.connections() == 1 && time.Since(begun) < time.Minute {
			time.Sleep(rtt)
		}
		t.Logf("noticed after %v", time.Since(begun))
		time.Sleep(2 * rtt)
		c.Release()
		s.Release()
		for range 3 * n { // and from then on no more
			c, s := borrow(t, client, server)
			usable(t, c.Conn(), s.Conn())
			c.Release()
			s.Release()
		}
		if got := a.connections(); got != 2 {
			t.Errorf("%d connections", got)
		}
		time.Sleep(time.Minute)
		if s := client.Stats(); s.Idle != n || s.OnLoan != 1 || s.Promised != 0 {
			t.Errorf("%+v", s)
		}

		// The stream that stands unread loses nothing, and goes on when it is read.
		go func() { _ = to.Conn().SetDeadline(time.Now().Add(time.Minute)) }()
		if got, err := io.CopyN(io.Discard, to.Conn(), unread); got != unread || err != nil {
			t.Errorf("read %d bytes of %d: %v", got, unread, err)
		}
		usable(t, from.Conn(), to.Conn())
		from.Release()
		to.Release()
		time.Sleep(time.Minute)
		if got := a.connections(); got != 1 {
			t.Errorf("%d connections when the stalled one carries nothing any more", got)
		}
	})
}

func TestWhoeverWaitsOnAStalledConnectionIsServedByAnother(t *testing.T) {
	onEitherSide(t, func(t *testing.T, w *world, reader string) {
		const n = 4
		client, server, _, _, _, _ := w.frugal(n, reader)
		begun := time.Now()
		var taken []lease
		for range 5 * n {
			ctx, stop := context.WithTimeout(t.Context(), 15*time.Second)
			c, err := client.Acquire(ctx)
			stop()
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, c)
		}
		t.Logf("%d acquires took %v", len(taken), time.Since(begun))
		last := taken[len(taken)-1]
		s, err := server.AcquireID(t.Context(), last.ID())
		if err != nil {
			t.Fatal(err)
		}
		usable(t, last.Conn(), s.Conn())
	})
}

// With windows of a connection and of streams as pools have them, streams that nobody reads do not even stall their
// own connection: it is full, and that is all.
func TestAConnectionFullOfUnreadStreamsStopsNobody(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, a := w.guarded(acceptorConfig{memory: smallestBudget})
		client := w.dial(DialConfig{MinCapacity: 8, MaxCapacity: 8, MemoryBudget: smallestBudget})
		const first = baseWindow / streamsPerWindow
		var held []lease
		for range places {
			c, s := borrow(t, client, server)
			held = append(held, c, s)
			for _, l := range []lease{c, s} {
				if n, err := l.Conn().Write(make([]byte, first-int(serverPreface))); err != nil {
					t.Fatalf("wrote %d bytes: %v", n, err)
				}
			}
		}
		time.Sleep(time.Second)
		for range 20 {
			begun := time.Now()
			c, s := borrow(t, client, server)
			if took := time.Since(begun); took > 2*rtt {
				t.Errorf("an acquire took %v", took)
			}
			usable(t, c.Conn(), s.Conn())
			c.Release()
			s.Release()
		}
		if got := a.connections(); got != 2 {
			t.Errorf("%d connections", got)
		}
		for _, l := range held {
			if _, err := io.CopyN(io.Discard, l.Conn(), first-serverPreface); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; i < len(held); i += 2 {
			usable(t, held[i].Conn(), held[i+1].Conn())
		}
	})
}
