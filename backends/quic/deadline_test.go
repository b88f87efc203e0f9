package quic

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// passed checks that an error says that a deadline has passed.
func passed(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v: does not say that a deadline has passed", err)
	}
}

func TestADeadlineEndsAReadExactlyAndTheNextReadGoesOn(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		for _, set := range []func(time.Time) error{a.SetReadDeadline, a.SetDeadline} {
			begun := time.Now()
			if err := set(begun.Add(1234 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, err := a.Read(make([]byte, 1))
			passed(t, err)
			if took := time.Since(begun); took != 1234*time.Millisecond {
				t.Errorf("took %v", took)
			}
			_, err = a.Read(make([]byte, 1)) // it has passed for later reads too
			passed(t, err)
			if err := set(time.Time{}); err != nil {
				t.Fatal(err)
			}
			usable(t, b, a)
		}
		a.Close()
		b.Close()
	})
}

func TestADeadlineEndsAReadUnderWay(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := a.Read(make([]byte, 1))
			passed(t, err)
		})
		time.Sleep(time.Second)
		if err := a.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		a.Close()
		b.Close()
	})
}

func TestADeadlineEndsAWriteAndThePeerReadsWhatWasWritten(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		if err := a.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := a.Write(make([]byte, 2*maxStreamWindow))
		passed(t, err)
		if n == 0 || n == 2*maxStreamWindow {
			t.Errorf("wrote %d", n)
		}
		if err := a.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		a.Close()
		got, err := io.Copy(io.Discard, b)
		if got != int64(n) || err != nil {
			t.Errorf("wrote %d, the peer read %d, %v", n, got, err)
		}
		b.Close()
	})
}

func TestADeadlineInAGentleCloseDoesNotEndTheStream(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		a.Close()
		if err := a.SetDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		_, err := a.Read(make([]byte, 1))
		passed(t, err)
		if err := a.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		carries(t, b, a)
		b.Close()
	})
}

func TestNoDeadlineIsLeftFromTheExchange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		time.Sleep(10 * exchangeTimeout)
		c, s := take(t, client, server)
		go func() {
			time.Sleep(10 * exchangeTimeout)
			_, _ = s.Write([]byte("late"))
		}()
		if _, err := c.Read(make([]byte, 4)); err != nil {
			t.Error(err)
		}
	})
}

func TestALostConnectionIsNotMistakenForADeadline(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		c, s := take(t, client, server)
		w.Cut(serverHost, true)
		for _, end := range []*StreamConn{c, s} {
			for name, op := range map[string]func([]byte) (int, error){"read": end.Read, "write": end.Write} {
				if name == "write" {
					time.Sleep(2 * idleTimeout)
				}
				_, err := op([]byte{0})
				var timeout interface{ Timeout() bool }
				if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v: says that a deadline has passed", name, err)
				}
				want := error(syscall.ECONNRESET)
				if name == "write" {
					want = syscall.EPIPE
				}
				if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, want) {
					t.Errorf("%s: %v: does not say that the connection is lost", name, err)
				}
			}
		}
	})
}

// Whatever many goroutines do to a stream, it does not crash, and its place comes
// back. On real sockets: in virtual time no two may write to one stream, since time
// stands still while one waits for the mutex of the other.
func TestAStreamMayBeUsedByManyAtOnce(t *testing.T) {
	client, server := pair(t, 20, 20, 100*time.Millisecond)
	ops := []func(*StreamConn){
		func(s *StreamConn) { _, _ = s.Read(make([]byte, 1000)) },
		func(s *StreamConn) { _, _ = s.Write(make([]byte, 100_000)) },
		func(s *StreamConn) { _ = s.SetDeadline(time.Now().Add(time.Millisecond)) },
		func(s *StreamConn) { _ = s.SetReadDeadline(time.Time{}) },
		func(s *StreamConn) { _ = s.SetWriteDeadline(time.Unix(1, 0)) },
		func(s *StreamConn) { _ = s.CloseWrite() },
		func(s *StreamConn) { _ = s.CloseRead() },
		func(s *StreamConn) { s.Close() },
		abort,
		func(s *StreamConn) { _, _, _ = s.ID(), s.LocalAddr(), s.RemoteAddr() },
		func(s *StreamConn) { _ = s.ConnectionState() },
	}
	for range 60 {
		c, s := take(t, client, server)
		var ending, all sync.WaitGroup
		for _, end := range []*StreamConn{c, s} {
			for range 8 {
				op := ops[rand.IntN(len(ops))]
				all.Go(func() { op(end) })
			}
			ending.Go(func() { end.Close() })
		}
		ending.Wait()
		abort(c)
		abort(s)
		all.Wait()
	}
	eventuallySettled(t, 20, client, server)
}

func TestAStreamTellsOfItsOwnConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		c, s := take(t, client, server)
		for what, got := range map[string][2]string{
			"client local":   {c.LocalAddr().String(), w.Addr(clientHost)},
			"client remote":  {c.RemoteAddr().String(), w.Addr(serverHost)},
			"server local":   {s.LocalAddr().String(), w.Addr(serverHost)},
			"server remote":  {s.RemoteAddr().String(), w.Addr(clientHost)},
			"client ALPN":    {c.ConnectionState().NegotiatedProtocol, "np-quic"},
			"server ALPN":    {s.ConnectionState().NegotiatedProtocol, "np-quic"},
			"client's SNI":   {s.ConnectionState().ServerName, "localhost"},
			"address family": {c.LocalAddr().Network(), "udp"},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %s, want %s", what, got[0], got[1])
			}
		}
	})
}
