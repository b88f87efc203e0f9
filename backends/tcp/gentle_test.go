package tcp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
	"github.com/vistone/poolkit/poolkit"
)

// half is one direction of a pipe, and duplex two of them: a connection with halves in a
// bubble of virtual time, where sockets cannot be.
type duplex struct {
	net.Conn // for its addresses

	in, out net.Conn
}

func newDuplex() (a, b *duplex) {
	in1, out1 := net.Pipe()
	in2, out2 := net.Pipe()
	return &duplex{in1, in1, out2}, &duplex{in2, in2, out1}
}

func (d *duplex) Read(p []byte) (int, error)         { return d.in.Read(p) }
func (d *duplex) Write(p []byte) (int, error)        { return d.out.Write(p) }
func (d *duplex) CloseWrite() error                  { return d.out.Close() }
func (d *duplex) Close() error                       { return errors.Join(d.in.Close(), d.out.Close()) }
func (d *duplex) SetReadDeadline(t time.Time) error  { return d.in.SetReadDeadline(t) }
func (d *duplex) SetWriteDeadline(t time.Time) error { return d.out.SetWriteDeadline(t) }

// inTime runs a test of a connection that closes gently, and its peer, in virtual time.
func inTime(t *testing.T, test func(t *testing.T, c *Conn, peer *duplex)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		raw, peer := newDuplex()
		c, err := newPeerConn(raw, nil, newMeeting(poolkit.ID{}, "", true), nil)
		if err != nil {
			t.Fatal(err)
		}
		test(t, c, peer)
		_ = c.endAll()
		peer.Close()
	})
}

func isOver(c *Conn) bool {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shut
}

func TestConnectionsCloseGentlyInTime(t *testing.T) {
	compattest.ClosesInTime(t, 0, func(t *testing.T, test func(*testing.T, compattest.Ends)) {
		inTime(t, func(t *testing.T, c *Conn, peer *duplex) {
			test(t, compattest.Ends{Near: c, Far: peer, Over: func() bool { return isOver(c) }})
		})
	})
}

func TestReadingToTheEndEndsAConnectionThatWasClosed(t *testing.T) {
	inTime(t, func(t *testing.T, c *Conn, peer *duplex) {
		c.Close()
		go func() {
			time.Sleep(30 * time.Second)
			_, _ = peer.Write([]byte("the answer"))
			_ = peer.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || string(got) != "the answer" {
			t.Errorf("%q, %v", got, err)
		}
		if !isOver(c) {
			t.Error("the connection is open")
		}
	})
	inTime(t, func(t *testing.T, c *Conn, peer *duplex) {
		_ = peer.CloseWrite()
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if isOver(c) {
			t.Error("ended before Close")
		}
		c.Close()
		if !isOver(c) {
			t.Error("open although both have closed")
		}
	})
}

func TestADeadlineIsNoEnd(t *testing.T) {
	inTime(t, func(t *testing.T, c *Conn, peer *duplex) {
		c.Close()
		if err := c.SetReadDeadline(time.Now().Add(time.Second / 2)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v", err)
		}
		if isOver(c) {
			t.Error("ended by a deadline")
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = peer.Write([]byte("x")) }()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

func TestAWriteThatCloseCutsShortIsNoCleanEnd(t *testing.T) {
	for name, end := range map[string]func(*Conn) error{"Close": (*Conn).Close, "CloseWrite": (*Conn).CloseWrite} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, c *Conn, peer *duplex) {
				var wg sync.WaitGroup
				wg.Go(func() {
					if n, err := c.Write(make([]byte, 100)); n != 10 || !errors.Is(err, net.ErrClosed) {
						t.Errorf("wrote %d, %v", n, err)
					}
				})
				if _, err := io.ReadFull(peer, make([]byte, 10)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // until the writer is stuck
				begun := time.Now()
				_ = end(c)
				wg.Wait()
				if took := time.Since(begun); took > 0 {
					t.Errorf("took %v", took)
				}
				if !isOver(c) {
					t.Error("the connection is open")
				}
			})
		})
	}
}

func TestAConnectionWithoutHalvesEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw, peer := net.Pipe()
		defer peer.Close()
		c, err := newPeerConn(raw, nil, newMeeting(poolkit.ID{}, "", true), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil || !isOver(c) {
			t.Errorf("%v", err)
		}
	})
}

// The rest is on sockets: what the system does there is half of it.

// gently runs a test of two connections that close gently, each end in its turn being a.
func gently(t *testing.T, test func(t *testing.T, a, b *Conn, pools [2]*Pool)) {
	t.Helper()
	eachWay(t, func(t *testing.T, w *site) {
		for _, first := range []string{"server", "client"} {
			t.Run("the "+first+" closes", func(t *testing.T) {
				w := &site{T: t, server: w.server, client: w.client}
				server, client := w.compat(3)
				s, c := take(t, server, client)
				if first == "server" {
					test(t, s, c, [2]*Pool{server, client})
				} else {
					test(t, c, s, [2]*Pool{client, server})
				}
				settled(t, 3, server.shared.Core(), client.shared.Core())
			})
		}
	})
}

func TestConnectionsCloseGently(t *testing.T) {
	compattest.Closes(t, func(t *testing.T, test func(*testing.T, compattest.Ends)) {
		gently(t, func(t *testing.T, a, b *Conn, pools [2]*Pool) {
			over := func() bool { return pools[0].shared.Core().Stats().OnLoan == 0 }
			test(t, compattest.Ends{Near: a, Far: b, Over: over, Room: 10_000})
		})
	})
}

// Closing a socket with something unread in it makes the system forget what it has yet
// to send. So what the peer sends to nobody must not cost it what it is sent.
func TestWhatWasWrittenBeforeCloseArrivesWhateverThePeerSends(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<13) // 128 KiB
	gently(t, func(t *testing.T, a, b *Conn, _ [2]*Pool) {
		// It fits where it is sent, and not where it is received.
		for _, c := range []*Conn{a, b} {
			tcp := c.raw.(*net.TCPConn)
			if err := errors.Join(tcp.SetWriteBuffer(2*len(message)), tcp.SetReadBuffer(len(message)/4)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Write(message); err != nil {
			t.Fatal(err)
		}
		a.Close()
		for range 3 { // more than there is room for, before it reads anything
			if _, err := b.Write(message); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
		}
		b.Close()
	})
}

func abort(c *Conn) { _ = c.Abort() } // always nil

func TestAPeerThatOnlyClosesFreesThePlaceOnBothSides(t *testing.T) {
	gently(t, func(t *testing.T, a, b *Conn, pools [2]*Pool) {
		a.Close()
		b.Close()
		begun := time.Now()
		for _, p := range pools {
			eventually(t, "the place is held", func() bool { return p.shared.Core().Stats().OnLoan == 0 })
		}
		t.Logf("after %v", time.Since(begun))
	})
}

func TestClosingInEveryOrderFreesThePlace(t *testing.T) {
	closes := map[string]func(c *Conn){
		"Close twice":      func(c *Conn) { c.Close(); c.Close() },
		"Abort":            abort,
		"Abort twice":      func(c *Conn) { abort(c); abort(c) },
		"Close, Abort":     func(c *Conn) { c.Close(); abort(c) },
		"Abort, Close":     func(c *Conn) { abort(c); c.Close() },
		"CloseWrite first": func(c *Conn) { c.CloseWrite(); c.Close() },
		"at once": func(c *Conn) {
			for _, end := range []func() error{c.Close, c.Abort, c.CloseWrite, c.Close} {
				go func() { _ = end() }()
			}
		},
	}
	gently(t, func(t *testing.T, a, b *Conn, pools [2]*Pool) {
		a.Close()
		b.Close()
		var others []*Conn
		for _, end := range closes {
			a, b := take(t, pools[0], pools[1])
			end(a)
			others = append(others, b)
		}
		eventually(t, "a place is held", func() bool { return pools[0].shared.Core().Stats().OnLoan == 0 })
		for _, b := range others {
			b.Close()
		}
	})
}
