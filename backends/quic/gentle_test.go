package quic

import (
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
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

func TestStreamsCloseGently(t *testing.T) {
	connect := func(t *testing.T, test func(*testing.T, compattest.Ends)) {
		bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
			test(t, compattest.Ends{Near: a, Far: b, Over: func() bool { return onLoan(pools[0]) == 0 }, Room: 300_000})
		})
	}
	compattest.Closes(t, connect)
	compattest.ClosesInTime(t, rtt, connect)
}

func TestAStreamThatEndsAfterCloseIsInUseAtThePeerUntilThatClosesToo(t *testing.T) {
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
		a.Close()
		time.Sleep(time.Second + rtt)
		if here, there := onLoan(pools[0]), onLoan(pools[1]); here != 0 || there != 1 {
			t.Errorf("%d streams are in use here, and %d at the peer", here, there)
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
