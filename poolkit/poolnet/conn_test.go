package poolnet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
	"github.com/vistone/poolkit/sizing"
)

// halfEnd is an end that can close its sending half.
type halfEnd struct{ *end }

func (halfEnd) CloseWrite() error { return nil }

// oddEnd has SyscallConn, but no CloseWrite.
type oddEnd struct{ *end }

func (e oddEnd) SyscallConn() (syscall.RawConn, error) { return rawEnd{e.end}, nil }

// veiledEnd has both, but nothing of its own to show.
type veiledEnd struct{ halfEnd }

func (veiledEnd) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

// sockEnd can do all that a TCP connection can. It says what it was asked to do.
type sockEnd struct {
	halfEnd
	raw   rawEnd
	calls *[]string
}

func (e sockEnd) SyscallConn() (syscall.RawConn, error) { return e.raw, nil }

func (e sockEnd) ReadFrom(r io.Reader) (int64, error) {
	*e.calls = append(*e.calls, "ReadFrom")
	return io.Copy(struct{ io.Writer }{e.end}, r)
}

func (e sockEnd) WriteTo(w io.Writer) (int64, error) {
	*e.calls = append(*e.calls, "WriteTo")
	return io.Copy(w, struct{ io.Reader }{e.end})
}

// slowEnd has SyscallConn and CloseWrite, and cannot copy by itself.
type slowEnd struct{ sock sockEnd }

func (e slowEnd) Read(p []byte) (int, error)            { return e.sock.Read(p) }
func (e slowEnd) Write(p []byte) (int, error)           { return e.sock.Write(p) }
func (e slowEnd) Close() error                          { return e.sock.Close() }
func (e slowEnd) LocalAddr() net.Addr                   { return e.sock.LocalAddr() }
func (e slowEnd) RemoteAddr() net.Addr                  { return e.sock.RemoteAddr() }
func (e slowEnd) SetDeadline(t time.Time) error         { return e.sock.SetDeadline(t) }
func (e slowEnd) SetReadDeadline(t time.Time) error     { return e.sock.SetReadDeadline(t) }
func (e slowEnd) SetWriteDeadline(t time.Time) error    { return e.sock.SetWriteDeadline(t) }
func (e slowEnd) CloseWrite() error                     { return e.sock.CloseWrite() }
func (e slowEnd) SyscallConn() (syscall.RawConn, error) { return e.sock.SyscallConn() }

// rawEnd waits in Read and Write until the end is closed.
type rawEnd struct{ end *end }

func (r rawEnd) Control(f func(uintptr)) error { f(7); return nil }

func (r rawEnd) Read(f func(uintptr) bool) error {
	if f(7) {
		return nil
	}
	_, err := r.end.Read(make([]byte, 1))
	return err
}

func (r rawEnd) Write(f func(uintptr) bool) error {
	if f(7) {
		return nil
	}
	_, err := r.end.Write(make([]byte, 1))
	return err
}

// kinds is of a pool of one whose members are made by wrap.
func kinds(t testing.TB, wrap func(*end) net.Conn) *poolkit.Pool[net.Conn] {
	t.Helper()
	w := newWorld()
	return open(t, poolkit.Config[net.Conn]{
		Dialer: poolkit.DialerFunc[net.Conn](func(context.Context, int) (poolkit.ID, net.Conn, error) {
			e := w.make()
			return e.id, wrap(e), nil
		}),
		Shut: func(c net.Conn) error {
			e := endOf(c)
			e.shut.Add(1)
			return e.Close()
		},
		MinCapacity: 1, MaxCapacity: 1, Sizing: sizing.Fixed(1),
	})
}

func endOf(c net.Conn) *end {
	switch c := c.(type) {
	case *end:
		return c
	case halfEnd:
		return c.end
	case oddEnd:
		return c.end
	case veiledEnd:
		return c.end
	case sockEnd:
		return c.end
	case slowEnd:
		return c.sock.end
	}
	return nil
}

func asSock(e *end) net.Conn {
	return sockEnd{halfEnd: halfEnd{e}, raw: rawEnd{e}, calls: new([]string)}
}

func asSlow(e *end) net.Conn { return slowEnd{asSock(e).(sockEnd)} }

func asHalf(e *end) net.Conn { return halfEnd{e} }

// lentReturning lends the first member of such a pool, by a dialer that returns it.
func lentReturning(t testing.TB, wrap func(*end) net.Conn) (net.Conn, *end) {
	t.Helper()
	d, err := poolnet.NewDialer(kinds(t, wrap)).Returning()
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, d)
	return c, endOf(memberOf[net.Conn](t, c))
}

// Libraries ask whether a connection has a method, and count on it if it has.
func TestAConnectionClaimsNoMoreThanItsMemberCan(t *testing.T) {
	for name, test := range map[string]struct {
		wrap        func(*end) net.Conn
		half, whole bool
	}{
		"nothing more":                  {func(e *end) net.Conn { return e }, false, false},
		"CloseWrite":                    {asHalf, true, false},
		"SyscallConn but no CloseWrite": {func(e *end) net.Conn { return oddEnd{e} }, false, false},
		"SyscallConn in vain":           {func(e *end) net.Conn { return veiledEnd{halfEnd{e}} }, true, false},
		"all that TCP can":              {asSock, true, true},
		"no copying":                    {asSlow, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, _ := lentReturning(t, test.wrap)
				if _, ok := c.(interface{ CloseWrite() error }); ok != test.half {
					t.Errorf("has CloseWrite: %v, want %v", ok, test.half)
				}
				if _, ok := c.(syscall.Conn); ok != test.whole {
					t.Errorf("has SyscallConn: %v, want %v", ok, test.whole)
				}
				if _, ok := c.(io.ReaderFrom); ok != test.whole {
					t.Errorf("has ReadFrom: %v, want %v", ok, test.whole)
				}
				if _, ok := c.(io.WriterTo); ok != test.whole {
					t.Errorf("has WriteTo: %v, want %v", ok, test.whole)
				}
			})
		})
	}
}

func TestAHalfClosedMemberIsNotReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, m := lentReturning(t, asHalf)
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Error(err)
		}
		c.Close()
		if !m.isShut() {
			t.Error("the member went back to the pool")
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("CloseWrite of a closed connection: %v, want net.ErrClosed", err)
		}
	})
}

func TestCopyingIsLeftToTheMember(t *testing.T) {
	for name, wrap := range map[string]func(*end) net.Conn{"which can": asSock, "which cannot": asSlow} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c, m := lentReturning(t, wrap)
				var calls *[]string
				if s, ok := memberOf[net.Conn](t, c).(sockEnd); ok {
					calls = s.calls
				}
				go m.hears(t, "to the peer")
				if n, err := io.Copy(c, onlyReader{strings.NewReader("to the peer")}); n != 11 || err != nil {
					t.Errorf("copied %d bytes to the member, %v; want 11", n, err)
				}
				go func() {
					m.say(t, "from the peer")
					m.far.Close()
				}()
				var got bytes.Buffer
				if n, err := io.Copy(onlyWriter{&got}, c); n != 13 || err != nil || got.String() != "from the peer" {
					t.Errorf("copied %q, %d bytes, %v", got.String(), n, err)
				}
				if calls != nil && strings.Join(*calls, " ") != "ReadFrom WriteTo" {
					t.Errorf("the member was asked for %v, want ReadFrom and WriteTo", *calls)
				}
				c.Close()
				if !m.isShut() {
					t.Error("a member that was read to its end went back to the pool")
				}
				_, from := c.(io.ReaderFrom).ReadFrom(strings.NewReader("x"))
				_, to := c.(io.WriterTo).WriteTo(&got)
				if !errors.Is(from, net.ErrClosed) || !errors.Is(to, net.ErrClosed) {
					t.Errorf("ReadFrom and WriteTo of a closed connection: %v, %v, want net.ErrClosed", from, to)
				}
			})
		})
	}
}

func TestAMemberIsReturnedAfterACopyIntoIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, m := lentReturning(t, asSock)
		go m.hears(t, "hello")
		if _, err := io.Copy(c, onlyReader{strings.NewReader("hello")}); err != nil {
			t.Error(err)
		}
		c.Close()
		if m.isShut() {
			t.Error("the member was ended")
		}
	})
}

type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

func TestTheSocketIsOutOfReachAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, m := lentReturning(t, asSock)
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		calls := func() map[string]error {
			done := func(uintptr) bool { return true }
			return map[string]error{"Control": raw.Control(func(uintptr) {}), "Read": raw.Read(done), "Write": raw.Write(done)}
		}
		for name, err := range calls() {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.Close()
		if m.isShut() {
			t.Error("looking at the socket spoiled the member")
		}
		for name, err := range calls() {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v, want net.ErrClosed", name, err)
			}
		}
		if _, err := c.(syscall.Conn).SyscallConn(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SyscallConn after Close: %v, want net.ErrClosed", err)
		}
	})
}

func TestAMemberWhoseSocketSomebodyWaitsForIsNotReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, m := lentReturning(t, asSock)
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- raw.Read(func(uintptr) bool { return false }) }()
		synctest.Wait()
		c.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the read under way: %v, want net.ErrClosed", err)
		}
		if !m.isShut() {
			t.Error("the member went back to the pool")
		}
	})
}

// The kernel copies between two sockets by itself only if each is asked to copy the
// other, and not a wrapper.
func TestTwoTCPConnectionsAreCopiedByTheKernel(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var greeters sync.WaitGroup
	defer greeters.Wait()
	defer listener.Close()
	greeters.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "hello") // who gets it says so
			_ = c.(*net.TCPConn).CloseWrite()
		}
	})
	var seen spy
	p := open(t, poolkit.Config[*spyConn]{
		Dialer: poolkit.DialerFunc[*spyConn](func(ctx context.Context, _ int) (poolkit.ID, *spyConn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
			if err != nil {
				return poolkit.ID{}, nil, err
			}
			return poolkit.RandomID(), &spyConn{c.(*net.TCPConn), &seen}, nil
		}),
		Shut:        (*spyConn).Close,
		MinCapacity: 2, MaxCapacity: 2, Sizing: sizing.Fixed(2),
	})
	d := poolnet.NewDialer(p)
	from, to := dial(t, d), dial(t, d)
	defer from.Close()
	defer to.Close()
	if n, err := io.Copy(to, from); n != 5 || err != nil {
		t.Fatalf("copied %d bytes, %v; want 5", n, err)
	}
	if !strings.HasPrefix(strings.TrimPrefix(seen.source, "*"), "net.") {
		t.Errorf("the socket was asked to copy a %s, want one of package net's own", seen.source)
	}
}

// spyConn notes what it is asked to copy.
type spyConn struct {
	*net.TCPConn
	seen *spy
}

type spy struct{ source string }

func (c *spyConn) ReadFrom(r io.Reader) (int64, error) {
	c.seen.source = fmt.Sprintf("%T", r)
	return c.TCPConn.ReadFrom(r)
}

func TestAMemberWhoseCopyTimedOutIsNotReturned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, m := lentReturning(t, asSock)
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("copy: %v, want a timeout", err)
		}
		c.Close()
		if !m.isShut() {
			t.Error("the member went back to the pool")
		}
	})
}
