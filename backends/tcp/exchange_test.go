package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// pipeListener hands out the far ends of pipes, in a bubble of virtual time.
type pipeListener struct {
	conns chan net.Conn // made by dial; never closed
	over  chan struct{} // closed by Close
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), over: make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.over) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// misfits are servers that do not do their part of the exchange, and what a client says
// of them.
var misfits = map[string]struct {
	serve func(net.Conn)
	says  []string
}{
	"ends it early": {func(c net.Conn) { c.Close() }, []string{"before it sent an ID", "0 of 4 bytes"}},
	"resets it":     {reset, nil}, // connecting may come to hear of that already
	"sends 3 bytes": {func(c net.Conn) { _, _ = c.Write([]byte{1, 2, 3}); c.Close() }, []string{"before it sent an ID", "3 of 4 bytes"}},
	"hangs":         {func(net.Conn) {}, []string{"no ID in time", "0 of 4 bytes"}},
	"hangs after 3": {func(c net.Conn) { _, _ = c.Write([]byte{1, 2, 3}) }, []string{"no ID in time", "3 of 4 bytes"}},
}

func TestAServerThatDoesNotDoItsPartIsAFailureThatSaysSo(t *testing.T) {
	for name, misfit := range misfits {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *site) {
				s := startUpstream(t, w.server, misfit.serve)
				w.addr = s.addr
				client := w.dial(1, DialConfig{DialTimeout: 500 * time.Millisecond})
				eventually(t, "nothing has failed", func() bool { return client.Stats().Failed > 0 })
				err := client.Stats().LastError
				says(t, err, append(misfit.says, s.addr)...)
				permanent(t, err, false) // the next may do better
				s.stop()
				server := w.listen(ListenConfig{}) // at the same address
				settled(t, 1, client, server)
			})
		})
	}
}

// A client reads four bytes, and not one more: the fifth is the application's.
func TestTheBytesAfterTheIDAreTheApplications(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		for _, message := range []string{"", "x", "hello", strings.Repeat("long ", 10_000)} {
			s := startUpstream(t, w.server, func(c net.Conn) { _, _ = io.WriteString(c, "\x01\x02\x03\x04"+message) })
			w.addr = s.addr
			client := w.dial(1, DialConfig{})
			l := acquireID(t, client, poolkit.ID{1, 2, 3, 4})
			got := make([]byte, len(message))
			if _, err := io.ReadFull(l.Conn(), got); err != nil || string(got) != message {
				t.Errorf("%d bytes: %v", len(message), err)
			}
			s.stop()
			if n, err := l.Conn().Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("after %d bytes: %d, %v", len(message), n, err)
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWhatAClientSendsBeforeItHasTheIDIsKept(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server := w.listen(ListenConfig{})
		c := w.knock()
		if _, err := io.WriteString(c, "early"); err != nil {
			t.Fatal(err)
		}
		var id poolkit.ID
		if _, err := io.ReadFull(c, id[:]); err != nil {
			t.Fatal(err)
		}
		s := acquireID(t, server, id)
		got := make([]byte, 5)
		if _, err := io.ReadFull(s.Conn(), got); err != nil || string(got) != "early" {
			t.Errorf("%q, %v", got, err)
		}
		usable(t, s.Conn(), c)
	})
}

// knock connects to the site's server by hand.
func (s *site) knock() net.Conn {
	s.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	if s.client != nil {
		return tls.Client(c, s.client)
	}
	return c
}

func TestClientsThatDoNotDoTheirPartAreGoneAlone(t *testing.T) {
	clients := map[string]func(net.Conn){
		"ends it early":      func(c net.Conn) { c.Close() },
		"resets it":          reset,
		"speaks no TLS":      func(c net.Conn) { _, _ = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); c.Close() },
		"ends it in a hello": func(c net.Conn) { _, _ = io.WriteString(c, "\x16\x03\x01\x02\x00\x01"); c.Close() },
	}
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(3)
		for name, misbehave := range clients {
			for range 10 {
				c, err := net.Dial("tcp", w.addr)
				if err != nil {
					t.Fatal(name, err)
				}
				misbehave(c)
			}
		}
		settled(t, 3, server, client)
		s, c := meet(t, server, client)
		usable(t, s, c)
	})
}

func TestAnExchangeIsBoundedInTime(t *testing.T) {
	conf, _ := certificate(t)
	for name, trickle := range map[string]bool{"a client that is silent": false, "a client that trickles": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := newPipeListener()
				server, err := Listen(ListenConfig{Listener: ln, TLS: conf})
				if err != nil {
					t.Fatal(err)
				}
				defer server.Close()
				c, err := ln.dial()
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				var wg sync.WaitGroup
				defer wg.Wait()
				defer c.Close()
				wg.Go(func() {
					hello := append([]byte("\x16\x03\x01\x02\x00"), make([]byte, 512)...)
					for _, b := range hello {
						if _, err := c.Write([]byte{b}); err != nil || !trickle {
							return
						}
						time.Sleep(time.Second)
					}
				})
				if _, err := c.Read(make([]byte, 1)); err == nil {
					t.Error("got an answer")
				}
				if took := time.Since(begun); took != exchangeTimeout {
					t.Errorf("ended after %v, want %v", took, exchangeTimeout)
				}
				synctest.Wait()
				if s := server.Stats(); s.Open() != 0 || s.Failed != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// A client that takes no bytes holds up nobody: only with a connection that is no socket
// can it even be noticed.
func TestAClientThatReadsNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipeListener()
		server, err := Listen(ListenConfig{Listener: ln})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		c, err := ln.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		time.Sleep(exchangeTimeout - 1)
		if s := server.Stats(); s.Promised != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		s := server.Stats()
		if s.Open() != 0 || !errors.Is(s.LastError, context.DeadlineExceeded) {
			t.Errorf("%+v", s)
		}
	})
}

func TestAWrongCertificateIsToldAtOnceToEverybody(t *testing.T) {
	conf, _ := certificate(t)
	_, others := certificate(t)
	demanding := conf.Clone()
	demanding.ClientAuth = tls.RequireAnyClientCert
	for name, c := range map[string]struct {
		server, client *tls.Config
		says           string
	}{
		"of an unknown authority": {conf, others, "RootCAs"},
		"of another host":         {conf, &tls.Config{RootCAs: others.RootCAs, ServerName: "example.com"}, "certificate"},
		"of the client":           {demanding, &tls.Config{InsecureSkipVerify: true}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &site{T: t, server: c.server, client: c.client}
			w.listen(ListenConfig{})
			client := w.dial(3, DialConfig{})
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					ctx, stop := context.WithTimeout(t.Context(), patience)
					defer stop()
					_, err := client.Acquire(ctx)
					permanent(t, err, true)
					says(t, err, c.says)
				})
			}
			wg.Wait()
		})
	}
}

func TestTLSAtOneEndOnlyIsAnErrorThatSaysSo(t *testing.T) {
	server, client := certificate(t)
	for name, w := range map[string]*site{
		"the server": {server: server},
		"the client": {client: client},
	} {
		t.Run(name, func(t *testing.T) {
			w.T = t
			w.listen(ListenConfig{})
			p := w.dial(1, DialConfig{DialTimeout: 500 * time.Millisecond})
			eventually(t, "nothing has failed", func() bool { return p.Stats().Failed > 0 })
			says(t, p.Stats().LastError, "TLS")
		})
	}
}

func TestLaterConnectionsResumeTheSession(t *testing.T) {
	server, client := certificate(t)
	w := &site{T: t, server: server, client: client}
	s, c := w.pair(1)
	for i := range 5 {
		a, b := meet(t, s, c)
		if state, ok := b.ConnectionState(); !ok || state.DidResume != (i > 0) {
			t.Errorf("connection %d is resumed: %v", i, state.DidResume)
		}
		a.Close()
		b.Close()
		settled(t, 1, s, c)
	}
}

// fewFiles is a listener whose system runs out of descriptors now and then.
type fewFiles struct {
	net.Listener
	fails []bool // for each call, one after the other, and none after the last
}

func (l *fewFiles) Accept() (net.Conn, error) {
	if len(l.fails) > 0 {
		fail := l.fails[0]
		l.fails = l.fails[1:]
		if fail {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		}
	}
	return l.Listener.Accept()
}

func TestAServerThatRunsOutOfDescriptorsGoesOnWhenThereAreSome(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		var mu sync.Mutex
		var errs []error
		server := w.listen(ListenConfig{
			Listener: &fewFiles{w.bind(), []bool{true, true, false, true, false}},
			Hooks: poolkit.Hooks{Failed: func(_ int, err error) {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}},
		})
		client := w.dial(3, DialConfig{})
		settled(t, 3, server, client)
		mu.Lock()
		defer mu.Unlock()
		n := 0
		for _, err := range errs {
			if errors.Is(err, syscall.EMFILE) {
				n++
				says(t, err, "accept connections")
			}
		}
		if n != 3 {
			t.Errorf("%d of 3 failures were told: %v", n, errs)
		}
	})
}

func TestWhileAcceptFailsThePoolDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &fewFiles{newPipeListener(), slices.Repeat([]bool{true}, 1000)}
		server, err := Listen(ListenConfig{Listener: ln})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := server.Stats().Failed; n < 20 || n > 60 {
			t.Errorf("failed %d times in a minute", n)
		}
	})
}

func TestAListenerThatSomebodyElseClosesIsAnErrorForEverybody(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		ln := w.bind()
		server := w.listen(ListenConfig{Listener: ln})
		ln.Close()
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		_, err := server.Acquire(ctx)
		permanent(t, err, true)
		says(t, err, "somebody else has closed the Listener")
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A Listener of crypto/tls does without the configuration.
func TestAListenerMayDoTheTLSItself(t *testing.T) {
	conf, trusts := certificate(t)
	w := &site{T: t, client: trusts}
	server := w.listen(ListenConfig{Listener: tls.NewListener(w.bind(), conf)})
	client := w.dial(3, DialConfig{})
	settled(t, 3, server, client)
	s, c := meet(t, server, client)
	usable(t, s, c)
	if state, ok := s.ConnectionState(); !ok || !state.HandshakeComplete {
		t.Errorf("%v: %+v", ok, state)
	}
	for _, message := range []string{"", "something"} {
		s, c := meet(t, server, client)
		if _, err := io.WriteString(c, message); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got, err := io.ReadAll(s); err != nil || string(got) != message {
			t.Errorf("%q, %v", got, err)
		}
		s.Close()
	}
	lost := server.Stats().Lost
	acquire(t, client).Release()
	eventually(t, "the server still has it", func() bool { return server.Stats().Lost > lost })
}

// In whatever pieces the bytes of a server come, the first four are the ID and the others
// the application's, to the last; and where there are fewer, nobody gets a connection.
func FuzzExchange(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, []byte{4})
	f.Add([]byte{1, 2, 3, 4, 5}, []byte{1, 1, 1, 1, 1})
	f.Add([]byte{1, 2, 3}, []byte{2})
	f.Add([]byte{}, []byte{})
	f.Add([]byte("0000and some more"), []byte{0, 3, 200})
	f.Fuzz(func(t *testing.T, bytes, pieces []byte) {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer near.Close()
			go func() {
				defer far.Close()
				rest := bytes
				for _, n := range pieces {
					k := min(int(n), len(rest))
					if _, err := far.Write(rest[:k]); err != nil {
						return
					}
					rest = rest[k:]
					time.Sleep(time.Millisecond)
				}
				_, _ = far.Write(rest)
			}()
			id, err := ask(t.Context(), near)
			if len(bytes) < len(id) {
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d of 4 bytes", len(bytes))) {
					t.Fatalf("%d bytes: %v, %v", len(bytes), id, err)
				}
				return
			}
			if err != nil || string(id[:]) != string(bytes[:4]) {
				t.Fatalf("%x: %v, %v", bytes, id, err)
			}
			if rest, err := io.ReadAll(near); err != nil || string(rest) != string(bytes[4:]) {
				t.Fatalf("%x: then %x, %v", bytes, rest, err)
			}
		})
	})
}
