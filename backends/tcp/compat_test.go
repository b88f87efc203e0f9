package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// inPipes runs a test of two compatibility pools that meet on pipes, in virtual time.
func inPipes(t *testing.T, n int, test func(t *testing.T, server, client *Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		server := NewServerPool(n, "", nil, ln, 0)
		defer server.Close()
		client := NewClientPool(n, n, 100*time.Millisecond, time.Second, 0, "0", "", ln.dial)
		defer client.Close()
		test(t, server, client)
	})
}

func nowhere() (net.Conn, error) { return nil, errors.New("nowhere") }

func isDeadline(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || errors.Is(err, net.ErrClosed) {
		t.Errorf("%v: is no timeout", err)
	}
}

func TestAServerPoolWithoutAListenerIsNil(t *testing.T) {
	for _, ln := range []net.Listener{nil, (*net.TCPListener)(nil)} {
		p := NewServerPool(20, "", nil, ln, time.Second)
		if p != nil {
			t.Fatal("got a pool")
		}
		if p.Ready() {
			t.Error("a nil pool is ready")
		}
		p.Close() // must not panic
	}
}

func TestManagersReturnAtOnceAndMayBeCalledAgain(t *testing.T) {
	inPipes(t, 3, func(t *testing.T, server, client *Pool) {
		begun := time.Now()
		for range 3 {
			server.ServerManager()
			client.ClientManager()
			go server.ServerManager()
			go client.ClientManager()
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the managers took %v", took)
		}
		time.Sleep(10 * time.Second)
		if client.Active() != 3 || server.Active() != 3 {
			t.Errorf("%d and %d idle connections", client.Active(), server.Active())
		}
	})
}

func TestOnlyTheManagerConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		p := NewClientPool(1, 1, 0, 0, 0, "0", "", func() (net.Conn, error) {
			calls.Add(1)
			return nowhere()
		})
		defer p.Close()
		begun := time.Now()
		_, _, err := p.IncomingGet(time.Hour)
		isDeadline(t, err)
		says(t, err, "ClientManager")
		if took := time.Since(begun); took != time.Hour || calls.Load() != 0 {
			t.Errorf("after %v and %d calls of the dialer", took, calls.Load())
		}
	})
}

func TestAGetterMayBeCalledBeforeTheManager(t *testing.T) {
	inPipes(t, 1, func(t *testing.T, server, client *Pool) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := server.IncomingGet(time.Hour); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := client.OutgoingGet("00000000", time.Hour); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		server.ServerManager()
		time.Sleep(time.Minute)
		begun := time.Now()
		client.ClientManager()
		wg.Wait()
		if took := time.Since(begun); took != 0 {
			t.Errorf("the getters returned %v after the manager was called", took)
		}
	})
}

func TestTheFirstConnectionAndOnlyItHasTheZeroID(t *testing.T) {
	inPipes(t, 5, func(t *testing.T, server, client *Pool) {
		server.ServerManager()
		client.ClientManager()
		var ends [2]net.Conn
		for i, p := range []*Pool{server, client} {
			c, err := p.OutgoingGet("00000000", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			ends[i] = c
		}
		pipeUsable(t, ends[0], ends[1])
		for range 100 {
			id, s, err := server.IncomingGet(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if id == "00000000" {
				t.Error("again")
			}
			c, err := client.OutgoingGet(id, time.Minute) // over pipes it does not notice the end
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			c.Close()
		}
		for _, c := range ends {
			c.Close()
		}
		_, err := server.OutgoingGet("00000000", time.Minute)
		isDeadline(t, err)
	})
}

// pipeUsable is usable over pipes, which hold nothing.
func pipeUsable(t *testing.T, a, b net.Conn) {
	t.Helper()
	for _, ends := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() { _, _ = io.WriteString(ends[0], "hello") }()
		got := make([]byte, 5)
		if _, err := io.ReadFull(ends[1], got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestAServersGetterTakesTheLongestIdleAndAClientsTheYoungest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		server := NewServerPool(6, "", nil, ln, 0)
		defer server.Close()
		server.ServerManager()
		var dials atomic.Int32
		client := NewClientPool(6, 6, 0, 0, 0, "0", "", func() (net.Conn, error) {
			n := dials.Add(1)
			time.Sleep(time.Duration(n) * time.Second)
			if n > 6 {
				return nowhere()
			}
			return ln.dial()
		})
		defer client.Close()
		client.ClientManager()
		time.Sleep(time.Minute)
		if server.Active() != 6 || client.Active() != 6 {
			t.Fatalf("%d and %d", server.Active(), client.Active())
		}
		seen := make(map[string]string)
		for range 3 {
			for name, p := range map[string]*Pool{"server": server, "client": client} {
				id, _, err := p.IncomingGet(0)
				if err != nil {
					t.Fatal(err)
				}
				if other := seen[id]; other != "" {
					t.Errorf("%s took what the %s had taken", name, other)
				}
				seen[id] = name
			}
		}
		if seen["00000000"] != "server" {
			t.Errorf("the first connection is the %q's", seen["00000000"])
		}
		client.Close()
		time.Sleep(time.Hour) // until the last call of the dialer has returned
	})
}

func TestReadyLastsFromConstructionToClose(t *testing.T) {
	inPipes(t, 1, func(t *testing.T, server, client *Pool) {
		for _, p := range []*Pool{server, client} {
			if !p.Ready() {
				t.Error("not ready after construction")
			}
		}
		server.ServerManager()
		client.ClientManager()
		for _, p := range []*Pool{server, client} {
			if !p.Ready() {
				t.Error("not ready after the manager was called")
			}
			p.Close()
			p.ClientManager() // does nothing
			if p.Ready() || p.Active() != 0 {
				t.Error("ready after Close")
			}
		}
	})
}

func TestABlockedGetterReturnsAtOnceOnClose(t *testing.T) {
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprintf("started=%v", started), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener()
				server := NewServerPool(1, "", nil, ln, 0)
				client := NewClientPool(1, 1, 0, 0, 0, "0", "", nowhere)
				if started {
					server.ServerManager()
					client.ClientManager()
				}
				for _, p := range []*Pool{server, client} {
					var wg sync.WaitGroup
					for range 10 {
						wg.Go(func() {
							if id, c, err := p.IncomingGet(time.Hour); id != "" || c != nil || !errors.Is(err, net.ErrClosed) {
								t.Errorf("IncomingGet: %q, %#v, %v", id, c, err)
							}
						})
						wg.Go(func() {
							if c, err := p.OutgoingGet("00000000", time.Hour); c != nil || !errors.Is(err, net.ErrClosed) {
								t.Errorf("OutgoingGet: %#v, %v", c, err)
							}
						})
					}
					time.Sleep(time.Second)
					begun := time.Now()
					p.Close()
					wg.Wait()
					if took := time.Since(begun); took != 0 {
						t.Errorf("took %v", took)
					}
				}
			})
		})
	}
}

func TestAMalformedIDFailsAtOnce(t *testing.T) {
	inPipes(t, 1, func(t *testing.T, server, client *Pool) {
		begun := time.Now()
		for _, id := range []string{"", "0", "0000000", "000000000", "0000000g", "00000000\n", " 0000000"} {
			for _, p := range []*Pool{server, client} {
				if c, err := p.OutgoingGet(id, time.Hour); c != nil || err == nil || !strings.HasPrefix(err.Error(), "tcp: OutgoingGet: ") {
					t.Errorf("%q: %v, %v", id, c, err)
				}
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnUnknownIDFailsExactlyAtTheTimeout(t *testing.T) {
	inPipes(t, 2, func(t *testing.T, server, client *Pool) {
		server.ServerManager()
		client.ClientManager()
		for _, p := range []*Pool{server, client} {
			for _, timeout := range []time.Duration{-time.Second, 0, 1, 1234 * time.Millisecond, time.Hour} {
				begun := time.Now()
				_, err := p.OutgoingGet("fffffffe", timeout)
				isDeadline(t, err)
				if took := time.Since(begun); took != max(timeout, 0) {
					t.Errorf("a timeout of %v took %v", timeout, took)
				}
			}
		}
	})
}

// What cannot work is told by every getter at once, and logged once.
func TestWhatCannotWorkIsToldAtOnce(t *testing.T) {
	conf, _ := certificate(t)
	empty := &tls.Config{}
	for name, c := range map[string]struct {
		open func() *Pool
		says []string
	}{
		"a wrong TLS code": {
			func() *Pool { return NewClientPool(1, 1, 0, 0, 0, "3", "", nowhere) },
			[]string{`"3"`, "plain TCP"},
		},
		"verification of nobody": {
			func() *Pool { return NewClientPool(1, 1, 0, 0, 0, "2", "", nowhere) },
			[]string{`"2"`, "host name"},
		},
		"no dialer": {
			func() *Pool { return NewClientPool(1, 1, 0, 0, 0, "0", "", nil) },
			[]string{"dialer is nil"},
		},
		"a bad allow-list": {
			func() *Pool { return NewServerPool(1, "10.0.0", conf, newPipeListener(), 0) },
			[]string{`"10.0.0" is neither an IP address nor a prefix`},
		},
		"no certificate": {
			func() *Pool { return NewServerPool(1, "", empty, newPipeListener(), 0) },
			[]string{"no certificate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := logs(t)
			synctest.Test(t, func(t *testing.T) {
				p := c.open()
				defer p.Close()
				p.ClientManager()
				begun := time.Now()
				for range 10 {
					_, _, err1 := p.IncomingGet(time.Hour)
					_, err2 := p.OutgoingGet("00000000", time.Hour)
					for _, err := range []error{err1, err2} {
						says(t, err, append(c.says, "tcp: ")...)
						permanent(t, err, true)
					}
				}
				if took := time.Since(begun); took != 0 {
					t.Errorf("took %v", took)
				}
			})
			log.once(t, append(c.says, "tcp pool: no connections")...)
		})
	}
}

// logged collects what is logged during a test.
type logged struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func logs(t *testing.T) *logged {
	l := new(logged)
	before := slog.Default()
	slog.SetDefault(slog.New(l))
	t.Cleanup(func() { slog.SetDefault(before) })
	return l
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// once checks that one line was logged and contains all the words.
func (l *logged) once(t *testing.T, words ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) != 1 {
		t.Errorf("logged %d lines, want one: %q", len(l.lines), l.lines)
		return
	}
	for _, word := range words {
		if !strings.Contains(strings.ReplaceAll(l.lines[0], `\"`, `"`), word) {
			t.Errorf("%q does not say %q", l.lines[0], word)
		}
	}
}

// A dialer that misbehaves is an error that says so; and when it is well again, so is
// the pool.
func TestAPoolRecoversFromItsDialer(t *testing.T) {
	nothing := func() (net.Conn, error) { return nil, nil }
	for name, c := range map[string]struct {
		dial func() (net.Conn, error)
		says string
	}{
		"returns nothing":     {nothing, "neither a connection nor an error"},
		"returns a typed nil": {func() (net.Conn, error) { return (*net.TCPConn)(nil), nil }, "neither a connection nor an error"},
		"panics":              {func() (net.Conn, error) { panic("out of order") }, "out of order"},
		"fails":               {nowhere, "nowhere"},
		"hangs":               {func() (net.Conn, error) { time.Sleep(time.Hour); return nowhere() }, "has not returned"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener()
				server := NewServerPool(3, "", nil, ln, 0)
				defer server.Close()
				server.ServerManager()
				var ill atomic.Bool
				ill.Store(true)
				client := NewClientPool(3, 3, 0, 0, 0, "0", "", func() (net.Conn, error) {
					if ill.Load() {
						return c.dial()
					}
					return ln.dial()
				})
				defer client.Close()
				client.ClientManager()
				_, _, err := client.IncomingGet(time.Minute)
				isDeadline(t, err)
				says(t, err, c.says)
				failed := client.shared.Core().Stats().Failed
				if failed < 3 || failed > 60 {
					t.Errorf("%d failures in a minute", failed)
				}
				ill.Store(false)
				if _, _, err := client.IncomingGet(time.Minute); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				if n := client.Active(); n != 3 {
					t.Errorf("%d idle connections", n)
				}
				time.Sleep(2 * time.Hour) // until those that hang have returned
			})
		})
	}
}

func TestCloseDoesNotWaitForADialerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls, now, most atomic.Int32
		near, far := net.Pipe()
		p := NewClientPool(100, 100, 0, 0, 0, "0", "", func() (net.Conn, error) {
			calls.Add(1)
			most.Store(max(most.Load(), now.Add(1)))
			<-release
			now.Add(-1)
			return near, nil
		})
		p.ClientManager()
		_, _, err := p.IncomingGet(24 * time.Hour)
		isDeadline(t, err)
		says(t, err, fmt.Sprint(mostCalls), "have not returned")
		if n := most.Load(); n != mostCalls || calls.Load() != n {
			t.Errorf("%d calls, %d at once", calls.Load(), n)
		}
		begun := time.Now()
		p.Close()
		if took := time.Since(begun); took != 0 {
			t.Errorf("Close took %v", took)
		}
		close(release)
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("what came late was not closed: %v", err)
		}
	})
}

func TestBoundsAreOrderedAndDefaulted(t *testing.T) {
	for _, c := range []struct {
		minCap, maxCap int
		minIvl, maxIvl time.Duration
		capacity       int
		interval       time.Duration
	}{
		{5, 200, time.Second, time.Minute, 5, time.Second},
		{200, 5, time.Minute, time.Second, 5, time.Second},
		{0, 0, 0, 0, 1, time.Second},
		{-3, 200, -1, time.Minute, 1, time.Second},
		{10, -1, 5 * time.Second, -1, 1, time.Second},
	} {
		p := NewClientPool(c.minCap, c.maxCap, c.minIvl, c.maxIvl, 0, "0", "", nowhere)
		if p.Capacity() != c.capacity || p.Interval() != c.interval || p.ShardCount() != 1 {
			t.Errorf("%+v: capacity %d, interval %v", c, p.Capacity(), p.Interval())
		}
		p.ClientManager()
		if p.Capacity() != c.capacity || p.Interval() != c.interval {
			t.Errorf("%+v: when open, capacity %d, interval %v", c, p.Capacity(), p.Interval())
		}
		p.Close()
	}
}

func TestOnlyTheUserCountsErrors(t *testing.T) {
	p := NewClientPool(1, 1, 0, 0, 0, "0", "", nowhere)
	defer p.Close()
	p.ClientManager()
	if _, err := p.OutgoingGet("00000000", 100*time.Millisecond); err == nil {
		t.Error("got a connection from nowhere")
	}
	if n := p.ErrorCount(); n != 0 {
		t.Errorf("%d errors before any was added", n)
	}
	p.AddError()
	p.AddError()
	if n := p.ErrorCount(); n != 2 {
		t.Errorf("%d errors, want 2", n)
	}
	p.ResetError()
	if n := p.ErrorCount(); n != 0 {
		t.Errorf("%d errors after the reset", n)
	}
}

func TestFlushOnOneSideLeavesBothUsable(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.compat(20)
		for _, side := range [][]*Pool{{server}, {client}, {server, client}} {
			s, c := take(t, server, client)
			for _, p := range side {
				p.Flush()
			}
			settledUnder(t, 20, 1, server, client)
			usable(t, s, c) // in use, so not touched
			for range 20 {
				a, b := take(t, server, client)
				usable(t, a, b)
				a.Close()
				b.Close()
			}
			s.Close()
			c.Close()
			settled(t, 20, server.shared.Core(), client.shared.Core())
		}
	})
}

// settledUnder waits until n connections are idle and so many on loan.
func settledUnder(t *testing.T, n, onLoan int, pools ...*Pool) {
	t.Helper()
	for _, p := range pools {
		eventually(t, "the pool has not settled", func() bool {
			s := p.shared.Core().Stats()
			return s.Idle == n && s.OnLoan == onLoan && s.Open() == n+onLoan
		})
	}
}

func TestCloseFreesThePortAndEveryConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		for range 5 {
			server, client := w.compat(20) // at the same address each time
			_, c := take(t, server, client)
			server.Close()
			if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
				t.Errorf("at the client: %v", err)
			}
			eventually(t, "what is dead is idle", func() bool { return client.Active() == 0 })
			client.Close()
		}
	})
}

func TestAPoolThatWasNeverStartedGivesUpItsListener(t *testing.T) {
	ln := newPipeListener()
	NewServerPool(1, "", nil, ln, 0).Close()
	select {
	case <-ln.over:
	default:
		t.Error("the listener is open")
	}
}

func TestAServerPoolRefusesStrangers(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server := NewServerPool(3, "127.0.0.2, 192.0.2.0/24", w.server, w.bind(), 0)
		defer server.Close()
		server.ServerManager()
		stranger := w.compatClient(3)
		eventually(t, "nothing has failed", func() bool { return stranger.shared.Core().Stats().Failed > 3 })
		if server.Active() != 0 {
			t.Error("a stranger was let in")
		}
		says(t, stranger.shared.Core().Stats().LastError, "not allowed")
		stranger.Close()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		client := NewClientPool(3, 3, 0, 0, 0, w.code(), "", func() (net.Conn, error) { return d.Dial("tcp", w.addr) })
		defer client.Close()
		client.ClientManager()
		settled(t, 3, server.shared.Core(), client.shared.Core())
	})
}

func TestTLSCodes(t *testing.T) {
	conf, _ := certificate(t)
	w := &site{T: t, server: conf}
	w.compatServer(3)
	for code, works := range map[string]bool{"1": true, "2": false} { // nobody has issued the certificate
		client := NewClientPool(1, 1, 0, 0, 0, code, "localhost", func() (net.Conn, error) { return net.Dial("tcp", w.addr) })
		client.ClientManager()
		_, c, err := client.IncomingGet(patience)
		if (err == nil) != works {
			t.Errorf("%s: %v", code, err)
		}
		if works {
			if state, ok := c.(*Conn).ConnectionState(); !ok || state.ServerName != "localhost" {
				t.Errorf("%s: %+v", code, state)
			}
		} else {
			permanent(t, err, true)
			says(t, err, "certificate")
		}
		client.Close()
	}
}

// A dialer may do the TLS itself.
func TestADialerMayReturnAConnectionOfTLS(t *testing.T) {
	conf, trusts := certificate(t)
	w := &site{T: t, server: conf}
	server := w.compatServer(2)
	client := NewClientPool(2, 2, 0, 0, 0, "0", "", func() (net.Conn, error) { return tls.Dial("tcp", w.addr, trusts) })
	defer client.Close()
	client.ClientManager()
	for range 10 {
		s, c := take(t, server, client)
		usable(t, s, c)
		s.Close()
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
	}
	settled(t, 2, server.shared.Core(), client.shared.Core())
	lost := client.shared.Core().Stats().Lost
	_, s, err := server.IncomingGet(patience)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	eventually(t, "what has ended is idle", func() bool { return client.shared.Core().Stats().Lost > lost })
}

func TestManyCyclesOfCompatibilityPoolsReturnAllPlaces(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.compat(32)
		var left atomic.Int64
		left.Store(int64(cycles(w)))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					id, s, err := server.IncomingGet(patience)
					if err != nil {
						t.Error(err)
						return
					}
					c, err := client.OutgoingGet(id, patience)
					if err != nil {
						t.Error(err)
						return
					}
					s.Close()
					c.Close()
				}
			})
		}
		wg.Wait()
		settled(t, 32, server.shared.Core(), client.shared.Core())
	})
}
