package tcp

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// both runs a test over plain TCP and over TLS.
func both(t *testing.T, test func(t *testing.T, secure bool)) {
	for _, secure := range []bool{false, true} {
		t.Run(name(secure), func(t *testing.T) { test(t, secure) })
	}
}

// serverThat starts a server, with TLS if wanted, and returns what a client needs.
func serverThat(tb testing.TB, secure bool, serve func(net.Conn)) (*upstream, DialConfig) {
	tb.Helper()
	var conf, client *tls.Config
	if secure {
		conf, client = certificate(tb)
	}
	s := startUpstream(tb, conf, serve)
	return s, DialConfig{Addr: s.addr, TLS: client}
}

// departures counts why connections left a pool.
type departures [16]atomic.Int32

func (d *departures) hooks() poolkit.Hooks {
	return poolkit.Hooks{Left: func(_ poolkit.ID, _ int, why poolkit.Reason) { d[why].Add(1) }}
}

func (d *departures) of(why poolkit.Reason) int { return int(d[why].Load()) }

func TestAReleasedConnectionIsUsedAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		s, cfg := serverThat(t, secure, echo)
		p := poolOf(t, 1, cfg)
		first := acquire(t, p)
		for range 100 {
			if err := exchange(first.Conn()); err != nil {
				t.Fatal(err)
			}
			first.Release()
			first = acquire(t, p)
		}
		first.Release()
		if n, _ := s.counts(); n > 2 {
			t.Errorf("%d connections were made for 100 uses, want 2: one and its replacement", n)
		}
	})
}

func TestAnIdleConnectionThatTheServerClosesLeavesAtOnce(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		var left departures
		s, cfg := serverThat(t, secure, echo)
		cfg.Hooks = left.hooks()
		p := poolOf(t, 8, cfg)
		s.has(8)
		s.closeAll()
		eventually(t, "the closed connections are still there", func() bool { return left.of(poolkit.Gone) == 8 })
		ready(t, p, 8)
		l := acquire(t, p)
		if err := exchange(l.Conn()); err != nil {
			t.Errorf("the replacement does not work: %v", err)
		}
		l.Release()
	})
}

func TestAnIdleConnectionThatTheServerResetsLeavesAtOnce(t *testing.T) {
	var left departures
	s, cfg := serverThat(t, false, silent)
	cfg.Hooks = left.hooks()
	p := poolOf(t, 4, cfg)
	s.has(4)
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	s.mu.Unlock()
	s.closeAll()
	eventually(t, "the reset connections are still there", func() bool { return left.of(poolkit.Gone) == 4 })
	ready(t, p, 4)
}

// The news of the end may still be on its way to the pool when somebody asks.
func TestALookBeforeLendingSeesTheEnd(t *testing.T) {
	l := hire()
	defer dismiss()
	for name, c := range map[string]struct {
		used     bool
		greeting string
	}{
		"of a new one":      {},
		"of a used one":     {used: true},
		"behind a greeting": {greeting: "welcome"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.greeting != "" && runtime.GOOS != "linux" {
				t.Skip("this system does not show that a connection ends while bytes wait")
			}
			raw, server := ends(t)
			client := conn(t, raw, l)
			defer client.Close()
			client.lookout.remove(client)
			client.used.Store(c.used)
			if _, err := server.Write([]byte(c.greeting)); err != nil {
				t.Fatal(err)
			}
			if !healthy(client) {
				t.Fatal("a connection that is fine may not be lent")
			}
			server.Close()
			eventually(t, "it may still be lent", func() bool { return !healthy(client) })
		})
	}
}

// A greeting is there for whoever comes first, and must not hide that the connection has
// ended.
func TestTheEndIsSeenBehindAGreeting(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		var left departures
		s, cfg := serverThat(t, secure, greet)
		cfg.Hooks = left.hooks()
		poolOf(t, 4, cfg)
		s.has(4)
		s.closeAll()
		eventually(t, "the closed connections are still there", func() bool { return left.of(poolkit.Gone) == 4 })
	})
}

// greet speaks first, and then echoes.
func greet(conn net.Conn) {
	_, _ = conn.Write([]byte("welcome"))
	echo(conn)
}

func TestAGreetingIsForWhoeverComesFirst(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, greet)
		p := poolOf(t, 1, cfg)
		for range 3 { // nobody reads, so that it stays
			l := acquire(t, p)
			eventually(t, "no greeting arrived", func() bool { return l.Conn().socket.look() == waiting })
			l.Release()
		}
		if n := p.Stats().Created; n > 2 {
			t.Errorf("%d connections were made, want 2: a greeting is no reason to end one", n)
		}
		l := acquire(t, p)
		defer l.Discard()
		got := make([]byte, 7)
		if _, err := io.ReadFull(l.Conn(), got); err != nil || string(got) != "welcome" {
			t.Fatalf("the greeting is %q, %v", got, err)
		}
		if err := exchange(l.Conn()); err != nil {
			t.Error(err)
		}
	})
}

// notLent checks that a connection is not lent any more.
func notLent(t *testing.T, p *pool, id poolkit.ID, what string) {
	t.Helper()
	if l, ok := p.TryAcquireID(id); ok {
		t.Errorf("the connection was lent again %s", what)
		l.Discard()
	}
}

// spoil lends out a connection to an echo server and lets something happen to it. It
// must not be lent again.
func spoil(t *testing.T, what string, secure bool, happen func(c *Conn)) {
	t.Helper()
	var left departures
	_, cfg := serverThat(t, secure, echo)
	cfg.Hooks = left.hooks()
	p := poolOf(t, 1, cfg)
	l := acquire(t, p)
	if err := exchange(l.Conn()); err != nil {
		t.Fatal(err)
	}
	happen(l.Conn())
	l.Release()
	notLent(t, p, l.ID(), what)
	again := acquire(t, p)
	defer again.Release()
	if err := exchange(again.Conn()); err != nil {
		t.Errorf("the next connection does not work: %v", err)
	}
}

func TestAConnectionWithAnUnreadAnswerIsNotLentAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		spoil(t, "with an answer unread", secure, func(c *Conn) {
			if _, err := c.Write([]byte("question")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "no answer arrived", func() bool { return c.socket.look() == waiting })
		})
	})
}

// TLS may have taken from the socket what nobody has read from it.
func TestAConnectionWithHalfAnAnswerUnreadIsNotLentAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		spoil(t, "with half an answer unread", secure, func(c *Conn) {
			if _, err := c.Write([]byte("question")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
			if secure {
				eventually(t, "the rest is not in TLS", func() bool { return c.socket.look() == quiet })
			}
		})
	})
}

func TestAConnectionWithAReadUnderWayIsNotLentAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		result := make(chan error, 1) // by the reader, which ends with the connection
		spoil(t, "with a read under way", secure, func(c *Conn) {
			go func() {
				_, err := c.Read(make([]byte, 1))
				result <- err
			}()
			eventually(t, "the read did not begin", func() bool { return c.busy.Load() == 1 })
		})
		if err := <-result; err == nil {
			t.Error("the read went on after Release")
		}
	})
}

func TestAConnectionWithAFailedReadIsNotLentAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		spoil(t, "after a read that timed out", secure, func(c *Conn) {
			_ = c.SetReadDeadline(time.Unix(1, 0))
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("a read after its deadline succeeded")
			}
		})
	})
}

func TestAHalfClosedConnectionIsNotLentAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		spoil(t, "after CloseWrite", secure, func(c *Conn) {
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestAConnectionWhoseInsideWasTakenIsNotLentAgain(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		spoil(t, "after NetConn", secure, func(c *Conn) {
			inside := c.NetConn()
			if _, ok := inside.(*tls.Conn); ok != secure {
				t.Errorf("NetConn is a %T", inside)
			}
			if err := exchange(inside); err != nil {
				t.Error(err)
			}
		})
	})
}

// idleAfterUse returns a pool with an idle connection, which was lent once, and the
// server's end of that.
func idleAfterUse(t *testing.T, secure bool) (p *pool, was lease, server net.Conn) {
	t.Helper()
	conns := make(chan net.Conn, 10) // by the server, one for each connection
	_, cfg := serverThat(t, secure, func(conn net.Conn) {
		buf := make([]byte, 6)
		_, _ = io.ReadFull(conn, buf)
		_, _ = conn.Write(buf)
		conns <- conn
	})
	p = poolOf(t, 1, cfg)
	was = acquire(t, p)
	if err := exchange(was.Conn()); err != nil {
		t.Fatal(err)
	}
	was.Release()
	return p, was, <-conns
}

func TestBytesThatNobodyAskedForEndAnIdleConnection(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		p, l, server := idleAfterUse(t, secure)
		defer server.Close()
		if _, err := server.Write([]byte("unasked")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the bytes do not arrive", func() bool { return l.Conn().socket.look() == waiting })
		notLent(t, p, l.ID(), "with bytes that nobody had asked for")
	})
}

func TestDeadlinesEndWithTheLease(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		p := poolOf(t, 1, cfg)
		l := acquire(t, p)
		_ = l.Conn().SetDeadline(time.Now().Add(-time.Second))
		l.Release()
		again, ok := p.TryAcquireID(l.ID())
		if !ok {
			t.Fatal("a deadline alone ended the connection")
		}
		defer again.Release()
		if err := exchange(again.Conn()); err != nil {
			t.Errorf("the deadline of the lease before still holds: %v", err)
		}
	})
}

func TestCloseEndsTheLeaseAndTheConnection(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		var left departures
		_, cfg := serverThat(t, secure, echo)
		cfg.Hooks = left.hooks()
		p := poolOf(t, 1, cfg)
		l := acquire(t, p)
		c := l.Conn()
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if n := p.Stats().OnLoan; n != 0 {
			t.Errorf("%d on loan after Close", n)
		}
		if n := left.of(poolkit.Ended); n != 1 {
			t.Errorf("%d connections ended, want 1", n)
		}
		if _, err := c.Write([]byte("x")); !isClosed(err) {
			t.Errorf("write after Close: %v, want net.ErrClosed", err)
		}
		if _, err := c.Read(make([]byte, 1)); !isClosed(err) {
			t.Errorf("read after Close: %v, want net.ErrClosed", err)
		}
	})
}

// A server's word that it closes TLS is the end, even if its socket stays open.
func TestAConnectionWithoutTLSAnyMoreIsNotLent(t *testing.T) {
	p, l, server := idleAfterUse(t, true)
	if err := server.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alert does not arrive", func() bool { return l.Conn().socket.look() == waiting })
	notLent(t, p, l.ID(), "after the server had ended TLS")
}

// What TLS allocates for each record that it looks for is the only allocation.
func TestAHitAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		p := poolOf(t, 1, cfg)
		for name, most := range map[string]float64{"unused": 0, "used": map[bool]float64{false: 0, true: 1}[secure]} {
			allocs := testing.AllocsPerRun(100, func() {
				l, err := p.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if name == "used" {
					l.Conn().dirty.Store(true)
					l.Conn().used.Store(true)
				}
				l.Release()
			})
			if allocs > most {
				t.Errorf("a hit, %s, allocates %v times, want %v at most", name, allocs, most)
			}
		}
	})
}
