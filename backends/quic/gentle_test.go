package quic

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// These are about Close in compatibility pools. In each test both ends take their
// turn at being the one that closes first.

// bothWays runs a test in which a closes first: as the client, and as the server.
func bothWays(t *testing.T, test func(t *testing.T, w *world, a, b *StreamConn, pools [2]*Pool)) {
	t.Helper()
	for _, first := range []string{"client", "server"} {
		t.Run("the "+first+" closes", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(20)
				c, s := take(t, client, server)
				if first == "client" {
					test(t, w, c, s, [2]*Pool{client, server})
				} else {
					test(t, w, s, c, [2]*Pool{server, client})
				}
				time.Sleep(10 * time.Second)
				settled(t, 20, client, server)
			})
		})
	}
}

func abort(s *StreamConn) { _ = s.Abort() } // always nil

func onLoan(p *Pool) int { return stats(p).OnLoan }

func TestAfterCloseAReaderGetsAllThatThePeerStillSends(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		if _, err := a.Write([]byte("send it")); err != nil {
			t.Fatal(err)
		}
		a.Close()
		go func() {
			request, err := io.ReadAll(b)
			if string(request) != "send it" || err != nil {
				t.Errorf("the peer read %q, %v", request, err)
			}
			if _, err := b.Write(message); err != nil {
				t.Error(err)
			}
			b.Close()
		}()
		got, err := io.ReadAll(a)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
		}
	})
}

func TestAfterBothClosedEachStillReadsWhatWasSent(t *testing.T) {
	message := bytes.Repeat([]byte("x"), 300_000)
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		for _, s := range []*StreamConn{a, b} {
			if _, err := s.Write(message); err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
		for _, s := range []*StreamConn{a, b} {
			if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, message) {
				t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
			}
		}
	})
}

func TestWithoutAReaderTheStreamEndsASecondAfterClose(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
		a.Close()
		time.Sleep(time.Second - 1)
		if n := onLoan(pools[0]); n != 1 {
			t.Errorf("before a second has passed, %d streams are in use", n)
		}
		time.Sleep(1 + rtt)
		if n := onLoan(pools[0]); n != 0 {
			t.Errorf("after a second, %d streams are in use", n)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading after the end: %v", err)
		}
		if _, err := b.Write([]byte("too late")); err == nil {
			t.Error("the peer was not told to stop")
		}
		if n := onLoan(pools[1]); n != 1 {
			t.Errorf("%d streams are in use at the peer, which has not closed", n)
		}
		b.Close()
	})
}

func TestAReaderNowAndThenKeepsTheStreamOpenAfterClose(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		a.Close()
		for i := range 50 {
			if _, err := b.Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second - time.Millisecond)
			var got [1]byte
			if _, err := io.ReadFull(a, got[:]); err != nil || got[0] != byte(i) {
				t.Fatalf("byte %d: %d, %v", i, got[0], err)
			}
		}
		b.Close()
	})
}

func TestAReaderThatWaitsKeepsTheStreamOpenForAMinute(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
		a.Close()
		go func() {
			for i := range 10 { // a byte now and then
				time.Sleep(time.Minute - time.Second)
				if _, err := b.Write([]byte{byte(i)}); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range 10 {
			var got [1]byte
			if _, err := io.ReadFull(a, got[:]); err != nil || got[0] != byte(i) {
				t.Fatalf("byte %d: %d, %v", i, got[0], err)
			}
		}
		begun := time.Now()
		_, err := a.Read(make([]byte, 1))
		if took := time.Since(begun); took < time.Minute || took > time.Minute+time.Second {
			t.Errorf("the wait ended after %v", took)
		}
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("the wait ended with %v", err)
		}
		if n := onLoan(pools[0]); n != 0 {
			t.Errorf("%d streams in use", n)
		}
		b.Close()
	})
}

func TestAPeerThatOnlyClosesFreesThePlaceOnBothSides(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
		a.Close()
		b.Close()
		time.Sleep(2 * rtt)
		for _, p := range pools {
			if n := onLoan(p); n != 0 {
				t.Errorf("two round trips after both closed, %d streams in use", n)
			}
		}
	})
}

func TestWritingAfterCloseFails(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
		a.Close()
		if n, err := a.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("wrote %d, %v", n, err)
		}
		if got, err := io.ReadAll(b); len(got) > 0 || err != nil {
			t.Errorf("the peer read %q, %v", got, err)
		}
		b.Close()
	})
}

func TestClosingInEveryOrderFreesThePlace(t *testing.T) {
	closes := map[string]func(s *StreamConn){
		"Close twice":      func(s *StreamConn) { s.Close(); s.Close() },
		"Abort":            abort,
		"Abort twice":      func(s *StreamConn) { abort(s); abort(s) },
		"Close, Abort":     func(s *StreamConn) { s.Close(); abort(s) },
		"Abort, Close":     func(s *StreamConn) { abort(s); s.Close() },
		"CloseWrite first": func(s *StreamConn) { s.CloseWrite(); s.Close() },
		"CloseRead first":  func(s *StreamConn) { s.CloseRead(); s.Close() },
		"both halves":      func(s *StreamConn) { s.CloseRead(); s.CloseWrite(); s.Close() },
		"at once": func(s *StreamConn) {
			for _, end := range []func() error{s.Close, s.Abort, s.CloseWrite, s.CloseRead, s.Close} {
				go func() { _ = end() }()
			}
		},
	}
	for name, end := range closes {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
				end(a)
				time.Sleep(time.Second + rtt)
				if n := onLoan(pools[0]); n != 0 {
					t.Errorf("%d streams in use", n)
				}
				b.Close()
				time.Sleep(time.Second + rtt)
				if n := onLoan(pools[1]); n != 0 {
					t.Errorf("%d streams in use at the peer", n)
				}
			})
		})
	}
}

func TestAbortIsNoCleanEnd(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
		if _, err := a.Write([]byte("half a mess")); err != nil {
			t.Fatal(err)
		}
		abort(a)
		if n := onLoan(pools[0]); n != 0 {
			t.Errorf("%d streams in use after Abort", n)
		}
		if got, err := io.ReadAll(b); err == nil {
			t.Errorf("the peer read %q and a clean end", got)
		}
		for _, op := range []func([]byte) (int, error){a.Read, a.Write} {
			if _, err := op([]byte{0}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Abort: %v", err)
			}
		}
		b.Close()
	})
}
