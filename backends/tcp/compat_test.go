package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
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

func TestThePoolsKeepToTheCompatibilityAPI(t *testing.T) {
	compattest.Run(t, func(*testing.T) compattest.Backend {
		ln := newPipeListener()
		var dials atomic.Int64
		return compattest.Backend{
			Name:   "tcp",
			Server: func(maxCap int) compattest.Pool { return NewServerPool(maxCap, "", nil, ln, 0) },
			Client: func(minCap, maxCap int, minIvl, maxIvl time.Duration) compattest.Pool {
				return NewClientPool(minCap, maxCap, minIvl, maxIvl, 0, "0", "", func() (net.Conn, error) {
					dials.Add(1)
					return ln.dial()
				})
			},
			Lost:     func() compattest.Pool { return NewClientPool(1, 1, 0, 0, 0, "0", "", nowhere) },
			Attempts: func() int { return int(dials.Load()) },
		}
	})
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
		compattest.IsTimeout(t, err)
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
			log := compattest.Logs(t)
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
			log.Once(t, append(c.says, "tcp pool: no connections")...)
		})
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
				compattest.IsTimeout(t, err)
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
		compattest.IsTimeout(t, err)
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

// Users build their control channel on the first connection, and hold it when the server is
// started anew. The first connection of the new one must not be refused for that.
func TestAServerThatIsStartedAnewGivesTheFirstIDAgain(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.compat(5)
		held, err := client.OutgoingGet("00000000", patience)
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		again := w.compatServer(5)
		c, err := client.OutgoingGet("00000000", patience)
		if err != nil {
			t.Fatal(err)
		}
		s, err := again.OutgoingGet("00000000", patience)
		if err != nil {
			t.Fatal(err)
		}
		usable(t, c.(*Conn), s.(*Conn))
		held.Close()
		usable(t, s.(*Conn), c.(*Conn))
	})
}
