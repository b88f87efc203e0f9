package quic

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// These are about streams of native pools, which close as net.Conn says.

type (
	native = poolkit.Pool[*StreamConn]
	lease  = poolkit.Lease[*StreamConn]
)

// natives starts a native client pool and a native server pool of n streams.
func (w *world) natives(n int) (client, server *native) {
	w.Helper()
	server = w.listen(ListenConfig{})
	client = w.dial(DialConfig{MinCapacity: n, MaxCapacity: n})
	for _, p := range []*native{client, server} {
		if err := p.WaitReady(w.Context(), n); err != nil {
			w.Fatal(err)
		}
	}
	return client, server
}

// borrow takes a stream at the server, and the same at the client.
func borrow(t testing.TB, client, server *native) (c, s lease) {
	t.Helper()
	s, err := server.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err = client.AcquireID(t.Context(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// nothingElse checks that pools have n idle streams and no others.
func nothingElse(t *testing.T, n int, pools ...*native) {
	t.Helper()
	synctest.Wait()
	for _, p := range pools {
		if s := p.Stats(); s.Idle != n || s.Open() != n {
			t.Errorf("want %d idle streams and no others: %+v", n, s)
		}
	}
}

// strictly runs a test in which a closes first: as the client, and as the server.
func strictly(t *testing.T, test func(t *testing.T, a, b *StreamConn)) {
	t.Helper()
	for _, first := range []string{"client", "server"} {
		t.Run("the "+first+" closes", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.natives(20)
				c, s := borrow(t, client, server)
				a, b := c.Conn(), s.Conn()
				if first == "server" {
					a, b = b, a
				}
				test(t, a, b)
				a.Close()
				b.Close()
				time.Sleep(time.Second)
				nothingElse(t, 20, client, server)
			})
		})
	}
}

func TestCloseUnblocksAReader(t *testing.T) {
	strictly(t, func(t *testing.T, a, _ *StreamConn) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if n, err := a.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
					t.Errorf("read %d, %v", n, err)
				}
			})
		}
		synctest.Wait()
		begun := time.Now()
		a.Close()
		wg.Wait()
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestCloseDeliversInFullWhatWasWritten(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<14) // 256 KiB
	strictly(t, func(t *testing.T, a, b *StreamConn) {
		if _, err := b.Write([]byte("dropped unread")); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(message); err != nil {
			t.Fatal(err)
		}
		a.Close()
		time.Sleep(10 * rtt)
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestWhatIsUnreadAtCloseIsDropped(t *testing.T) {
	strictly(t, func(t *testing.T, a, b *StreamConn) {
		if _, err := b.Write([]byte("unread")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rtt)
		a.Close()
		if n, err := a.Read(make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("read %d, %v", n, err)
		}
		time.Sleep(rtt)
		if _, err := b.Write([]byte("more")); err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("the peer, which has not closed, wrote on: %v", err)
		}
	})
}

func TestAfterCloseEverythingSaysClosed(t *testing.T) {
	strictly(t, func(t *testing.T, a, b *StreamConn) {
		b.Close() // so that a is at the end already
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
		a.Close()
		for name, op := range map[string]func() error{
			"Read":             func() error { _, err := a.Read(make([]byte, 1)); return err },
			"Write":            func() error { _, err := a.Write([]byte("x")); return err },
			"CloseWrite":       a.CloseWrite,
			"SetDeadline":      func() error { return a.SetDeadline(time.Now()) },
			"SetReadDeadline":  func() error { return a.SetReadDeadline(time.Now()) },
			"SetWriteDeadline": func() error { return a.SetWriteDeadline(time.Now()) },
		} {
			err := op()
			var op *net.OpError
			if !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// stuck makes a writer wait for the peer to read, and returns what it will return.
func stuck(t *testing.T, s *StreamConn) (wrote func() (int, error)) {
	t.Helper()
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		n, err = s.Write(make([]byte, 2*maxStreamWindow))
	}()
	time.Sleep(5 * time.Second)
	select {
	case <-done:
		t.Fatalf("nobody reads, and %d bytes were written, %v", n, err)
	default:
	}
	return func() (int, error) { <-done; return n, err }
}

func TestCloseFreesAWriterThatIsStuckAndThePeerSeesNoCleanEnd(t *testing.T) {
	closes := map[string]func(*StreamConn) error{"Close": (*StreamConn).Close, "CloseWrite": (*StreamConn).CloseWrite}
	check := func(end func(*StreamConn) error) func(t *testing.T, a, b *StreamConn) {
		return func(t *testing.T, a, b *StreamConn) {
			wrote := stuck(t, a)
			begun := time.Now()
			if err := end(a); err != nil {
				t.Error(err)
			}
			n, err := wrote()
			if took := time.Since(begun); took != 0 {
				t.Errorf("the writer was freed after %v", took)
			}
			if n == 2*maxStreamWindow || !errors.Is(err, net.ErrClosed) {
				t.Errorf("wrote %d, %v", n, err)
			}
			if got, err := io.ReadAll(b); err == nil {
				t.Errorf("the peer read %d bytes of %d and a clean end", len(got), 2*maxStreamWindow)
			}
		}
	}
	for name, end := range closes {
		t.Run(name, func(t *testing.T) {
			strictly(t, check(end))
			bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
				check(end)(t, a, b)
				a.Close()
				b.Close()
			})
		})
	}
}

func TestEveryWayToEndALeaseEndsTheStream(t *testing.T) {
	for name, end := range map[string]func(lease){
		"Release": lease.Release,
		"Discard": lease.Discard,
		"Close":   func(l lease) { l.Conn().Close() },
		"Abort":   func(l lease) { abort(l.Conn()) },
		"all":     func(l lease) { l.Release(); l.Conn().Close(); l.Discard(); abort(l.Conn()) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.natives(20)
				for range 300 { // more than there are places
					c, s := borrow(t, client, server)
					end(c)
					if _, err := c.Conn().Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
						t.Fatal(err)
					}
					time.Sleep(rtt)
					if _, err := s.Conn().Read(make([]byte, 1)); err == nil {
						t.Fatal("the peer was not told")
					}
					end(s)
				}
				time.Sleep(time.Second)
				nothingElse(t, 20, client, server)
			})
		})
	}
}

func TestClosingAPoolEndsTheStreamsInUse(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.natives(20)
		c, s := borrow(t, client, server)
		if _, err := c.Conn().Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		client.Close()
		if _, err := c.Conn().Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing: %v", err)
		}
		if _, err := c.Conn().Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading: %v", err)
		}
		c.Release()
		c.Conn().Close()
		time.Sleep(time.Second)
		s.Conn().Close()
		if got := server.Stats(); got.Open() != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestALostConnectionIsNotOneThatWasClosedHere(t *testing.T) {
	for how, end := range map[string]func(*world, *acceptor){
		"silent": func(w *world, _ *acceptor) { w.Cut(serverHost, true) },
		"closed": func(_ *world, a *acceptor) { a.open()[0].CloseWithError(codeDone, "") },
	} {
		inWorld(t, func(t *testing.T, w *world) {
			server, a := w.acceptor()
			client := w.dial(DialConfig{MinCapacity: 4, MaxCapacity: 4})
			ready(t, 4, client, server)
			c, _ := lend(t, client, server)
			end(w, a)
			_, err := c.Conn().Read(make([]byte, 1))
			var why *quicgo.ApplicationError
			if errors.Is(err, net.ErrClosed) || !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &why) {
				t.Errorf("%s: %v", how, err)
			}
			w.Cut(serverHost, false)
		})
	}
}

func TestAServerThatCannotBeReachedIsNotAPoolThatIsClosed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client := w.dial(DialConfig{})
		time.Sleep(handshakeTimeout + time.Second)
		if err := client.Stats().LastError; err == nil || errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
}
