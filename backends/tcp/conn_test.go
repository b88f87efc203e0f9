package tcp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/vistone/poolkit/poolkit"
)

func TestAConnectionTellsOfItself(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		s, cfg := serverThat(t, secure, echo)
		p := poolOf(t, 1, cfg)
		l := acquire(t, p)
		defer l.Release()
		c := l.Conn()
		if c.RemoteAddr().String() != s.addr {
			t.Errorf("the remote address is %v, want %s", c.RemoteAddr(), s.addr)
		}
		if c.LocalAddr().String() == "" {
			t.Error("there is no local address")
		}
		if c.ID() != l.ID() {
			t.Errorf("the ID is %v, want %v", c.ID(), l.ID())
		}
		if state, ok := c.ConnectionState(); ok != secure || state.HandshakeComplete != secure {
			t.Errorf("TLS is %t, with its handshake complete: %t; want %t", ok, state.HandshakeComplete, secure)
		}
		raw, err := c.SyscallConn()
		if secure {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("the socket below TLS: %v, want errors.ErrUnsupported", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		called := false
		if err := raw.Control(func(uintptr) { called = true }); err != nil || !called {
			t.Errorf("the socket was not shown: %v", err)
		}
	})
}

func TestAConnectionThatIsNoSocketSaysSo(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("db:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "db:1"})
		l := acquire(t, p)
		defer l.Release()
		if _, err := l.Conn().SyscallConn(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("SyscallConn: %v", err)
		}
		if err := l.Conn().CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("CloseWrite: %v", err)
		}
	})
}

// A pipe has no socket to look at. What TLS has taken in and nobody has read is seen all
// the same.
func TestAnUnreadAnswerIsSeenWithoutASocket(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		conf, client := certificate(t)
		conf.SessionTicketsDisabled = true // it sends them while we speak, and a pipe holds nothing
		n.is("db:1", n.serves(0, func(conn net.Conn) { echo(tls.Server(conn, conf)) }))
		p := n.pool(DialConfig{Addr: "db:1", TLS: client})
		l := acquire(t, p)
		if err := exchange(l.Conn()); err != nil {
			t.Fatal(err)
		}
		l.Release()
		again, ok := p.TryAcquireID(l.ID())
		if !ok {
			t.Fatal("a connection that is fine was ended")
		}
		if _, err := again.Conn().Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(again.Conn(), make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		again.Release()
		notLent(t, p, l.ID(), "with most of an answer unread")
		synctest.Wait()
	})
}

// io.Copy leaves the work to the system where it can, so the two directions of it are
// methods of their own.
func TestBytesAreCopiedInBothDirections(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		text := strings.Repeat("the quick brown fox ", 50_000)
		_, cfg := serverThat(t, secure, func(conn net.Conn) {
			defer conn.Close()
			_, _ = io.Copy(conn, io.LimitReader(conn, int64(len(text))))
		})
		p := poolOf(t, 1, cfg)
		l := acquire(t, p)
		sent := make(chan error, 1) // by the writer, once
		go func() {
			n, err := io.Copy(l.Conn(), strings.NewReader(text))
			if err == nil && n != int64(len(text)) {
				err = io.ErrShortWrite
			}
			sent <- err
		}()
		var got bytes.Buffer
		if _, err := io.Copy(&got, l.Conn()); err != nil {
			t.Error(err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if got.String() != text {
			t.Errorf("%d bytes came back, want the %d that were sent", got.Len(), len(text))
		}
		l.Release()
		notLent(t, p, l.ID(), "after it was read to its end")
	})
}

func TestAConnectionThatWasReadToItsEndIsNotLentAgain(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("db:1", n.serves(0, func(conn net.Conn) { _, _ = conn.Write([]byte("all of it")) }))
		p := n.pool(DialConfig{Addr: "db:1"})
		l := acquire(t, p)
		var text bytes.Buffer
		if _, err := l.Conn().WriteTo(&text); err != nil || text.String() != "all of it" {
			t.Errorf("%q, %v", text.String(), err)
		}
		l.Release()
		notLent(t, p, l.ID(), "after it was read to its end")
	})
}

// spy notes the writes that may wait.
type spy struct {
	*net.TCPConn
	writes atomic.Int32
}

func (s *spy) Write(p []byte) (int, error) {
	s.writes.Add(1)
	return s.TCPConn.Write(p)
}

// What TLS says at the end does not wait for room, as crypto/tls would for five seconds.
func TestClosingDoesNotWaitForThePeer(t *testing.T) {
	_, cfg := serverThat(t, true, silent)
	cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &spy{TCPConn: conn.(*net.TCPConn)}, nil
	}
	p := poolOf(t, 1, cfg)
	l := acquire(t, p)
	raw := l.Conn().raw.(*spy)
	before := raw.writes.Load()
	if err := l.Conn().Close(); err != nil {
		t.Errorf("the server was not told: %v", err)
	}
	if raw.writes.Load() != before {
		t.Error("Close writes, and would wait where there is no room")
	}
}

func TestAHijackedConnectionIsTheCallers(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		p := poolOf(t, 1, cfg)
		l := acquire(t, p)
		c := l.Conn()
		if !l.Hijack() {
			t.Fatal("the lease was over")
		}
		p.Close()
		if err := exchange(c); err != nil {
			t.Errorf("the pool's end ended it: %v", err)
		}
		inside := c.NetConn()
		if err := exchange(inside); err != nil {
			t.Error(err)
		}
		if err := inside.Close(); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
}

func TestAConnectionOfSingleUseServesOneLease(t *testing.T) {
	var left departures
	_, cfg := serverThat(t, false, echo)
	cfg.SingleUse = true
	cfg.Hooks = left.hooks()
	p := poolOf(t, 1, cfg)
	l := acquire(t, p)
	l.Release()
	if left.of(poolkit.Ended) != 1 {
		t.Error("Release did not end it")
	}
	if _, err := l.Conn().Write([]byte("x")); !isClosed(err) {
		t.Errorf("write after Release: %v", err)
	}
}

func TestThePoolsEndClosesEveryConnection(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		s, cfg := serverThat(t, secure, silent)
		p := poolOf(t, 4, cfg)
		l := acquire(t, p)
		s.has(5)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := p.Shutdown(ctx); err == nil {
			t.Error("a connection on loan did not keep Shutdown from succeeding")
		}
		if _, err := l.Conn().Write([]byte("x")); !isClosed(err) {
			t.Errorf("write after the pool's end: %v", err)
		}
		eventually(t, "the server has connections still", func() bool { return s.open() == 0 })
	})
}

// A TLS client has session tickets that it has not read when it has only written. Were
// they left in the socket, closing it would reset the connection. (Nothing helps against
// those that arrive later.)
func TestWhatIsWrittenBeforeCloseArrivesThoughNothingWasRead(t *testing.T) {
	conf, trusts := certificate(t)
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<13) // 128 KiB
	type heard struct {
		n   int
		err error
	}
	for range 20 {
		all, lent, closed := make(chan heard, 1), make(chan struct{}), make(chan struct{})
		s := startUpstream(t, conf, func(conn net.Conn) {
			// It fits where it is sent, and not where it is received.
			_ = conn.(*tls.Conn).NetConn().(*net.TCPConn).SetReadBuffer(len(message) / 4)
			<-lent
			if _, err := conn.Write([]byte("!")); err != nil {
				return // it is one that nobody has used, and has been shut
			}
			<-closed
			got, err := io.ReadAll(conn)
			if len(got) > 0 { // else it is one that nobody has used
				all <- heard{len(got), err}
			}
			conn.Close()
		})
		p, err := Dial(DialConfig{Addr: s.addr, TLS: trusts, MinCapacity: 1, MaxCapacity: 1})
		if err != nil {
			t.Fatal(err)
		}
		c := acquire(t, p).Conn()
		close(lent)
		if err := c.raw.(*net.TCPConn).SetWriteBuffer(2 * len(message)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "nothing arrived that is not read", func() bool { return c.socket.look() == waiting })
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		c.Close()
		close(closed)
		if h := <-all; h.n != len(message) || h.err != nil {
			t.Errorf("%d bytes of %d arrived, then %v", h.n, len(message), h.err)
		}
		p.Close()
		s.stop()
	}
}
