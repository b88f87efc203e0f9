package poolnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// returning is a dialer that returns members to a pool of one, and that pool.
func returning(t testing.TB, w *world) (*poolnet.Dialer[*end], *poolkit.Pool[*end]) {
	t.Helper()
	p := open(t, w.dials(1))
	d, err := poolnet.NewDialer(p).Returning()
	if err != nil {
		t.Fatal(err)
	}
	return d, p
}

func TestCloseEndsTheMember(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := open(t, newWorld().dials(1))
		c := dial(t, poolnet.NewDialer(p))
		m := memberOf[*end](t, c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if !m.isShut() {
			t.Error("the member lives on")
		}
		if s := p.Stats(); s.OnLoan != 0 {
			t.Errorf("%d members on loan after Close, want none", s.OnLoan)
		}
	})
}

func TestAConnectionCarriesBytesBothWays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := dial(t, poolnet.NewDialer(open(t, newWorld().dials(1))))
		m := memberOf[*end](t, c)
		go m.say(t, "hello")
		expect(t, c, "hello")
		go func() {
			if _, err := io.WriteString(c, "world"); err != nil {
				t.Error(err)
			}
		}()
		m.hears(t, "world")
		if c.LocalAddr() != m.LocalAddr() || c.RemoteAddr() != m.RemoteAddr() {
			t.Error("the addresses are not the member's")
		}
	})
}

func TestAReturnedMemberServesTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, p := returning(t, newWorld())
		c := dial(t, d)
		m := memberOf[*end](t, c)
		go m.say(t, "hello")
		expect(t, c, "hello")
		c.Close()
		if m.isShut() || p.Stats().OnLoan != 0 {
			t.Fatal("the member has not been returned")
		}
		c = again(t, d, m)
		go m.say(t, "again")
		expect(t, c, "again")
	})
}

// again dials until it has a certain member.
func again(t testing.TB, d dialer, m *end) net.Conn {
	t.Helper()
	for range 10 {
		if c := dial(t, d); memberOf[*end](t, c) == m {
			return c
		}
	}
	t.Fatal("the member has not come back")
	return nil
}

func TestAClosedConnectionCannotReachTheNextUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, _ := returning(t, newWorld())
		old := dial(t, d)
		m := memberOf[*end](t, old)
		old.Close()
		c := again(t, d, m)

		for name, err := range methods(old) {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s of a closed connection: %v, want net.ErrClosed", name, err)
			}
			if op := (*net.OpError)(nil); !errors.As(err, &op) || op.Net != "pipe" || op.Addr != m.RemoteAddr() {
				t.Errorf("%s: %v is no *net.OpError of this connection", name, err)
			}
		}
		if m := old.(interface{ NetConn() net.Conn }).NetConn(); m != nil {
			t.Error("a closed connection still gives its member away")
		}
		for range 2 {
			if err := old.Close(); err != nil {
				t.Errorf("closing again: %v", err)
			}
		}
		if m.isShut() {
			t.Fatal("closing again ended the member of somebody else")
		}
		time.Sleep(time.Hour) // none of those deadlines may be in force
		go m.say(t, "hello")
		expect(t, c, "hello")
	})
}

func TestAClosedConnectionLeavesTheMemberAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := dial(t, poolnet.NewDialer(open(t, newWorld().dials(1))))
		m := memberOf[*end](t, c)
		c.Close()
		before := m.calls.Load()
		for name, err := range methods(c) {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s of a closed connection: %v, want net.ErrClosed", name, err)
			}
		}
		if n := m.calls.Load() - before; n != 0 {
			t.Errorf("the member was called %d times after Close", n)
		}
	})
}

// methods calls all that can fail.
func methods(c net.Conn) map[string]error {
	_, read := c.Read(make([]byte, 1))
	_, write := c.Write([]byte("x"))
	now := time.Now()
	return map[string]error{
		"Read": read, "Write": write,
		"SetDeadline":      c.SetDeadline(now),
		"SetReadDeadline":  c.SetReadDeadline(now),
		"SetWriteDeadline": c.SetWriteDeadline(now),
	}
}

// A reader that is still there may be waiting for an answer: whoever has the member
// next would get it.
func TestAMemberWithACallUnderWayIsNotReturned(t *testing.T) {
	for name, call := range map[string]func(c net.Conn) error{
		"read":  func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err },
		"write": func(c net.Conn) error { _, err := io.WriteString(c, "x"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, _ := returning(t, newWorld())
				c := dial(t, d)
				m := memberOf[*end](t, c)
				done := make(chan error, 1)
				go func() { done <- call(c) }()
				synctest.Wait()
				c.Close()
				if err := <-done; !errors.Is(err, net.ErrClosed) {
					t.Errorf("the %s under way: %v, want net.ErrClosed", name, err)
				}
				if m.shut.Load() != 1 {
					t.Error("the member went back to the pool")
				}
			})
		})
	}
}

func TestAMemberThatIsNotFitIsNotReturned(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, c net.Conn, m *end){
		"the peer has closed": func(t *testing.T, c net.Conn, m *end) {
			m.far.Close()
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("read: %v, want EOF", err)
			}
		},
		"a read timed out": func(t *testing.T, c net.Conn, _ *end) {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := c.Read(make([]byte, 1)); !timeout(err) {
				t.Errorf("read: %v, want a timeout", err)
			}
		},
		"a write timed out": func(t *testing.T, c net.Conn, _ *end) {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.Write([]byte("x")); !timeout(err) {
				t.Errorf("write: %v, want a timeout", err)
			}
		},
		"the deadlines stay": func(t *testing.T, c net.Conn, m *end) {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			m.stubborn.Store(true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, _ := returning(t, newWorld())
				c := dial(t, d)
				m := memberOf[*end](t, c)
				spoil(t, c, m)
				c.Close()
				if !m.isShut() {
					t.Error("the member went back to the pool")
				}
			})
		})
	}
}

func timeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func TestAMemberThatKnowsNoDeadlinesIsReturnedIfNobodySetsAny(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d, _ := returning(t, newWorld())
		c := dial(t, d)
		m := memberOf[*end](t, c)
		m.stubborn.Store(true)
		c.Close()
		if m.isShut() {
			t.Error("the member was ended")
		}
	})
}

func TestDeadlinesEndWithTheConnection(t *testing.T) {
	for name, set := range map[string]func(c net.Conn, at time.Time) error{
		"SetDeadline":      net.Conn.SetDeadline,
		"SetReadDeadline":  net.Conn.SetReadDeadline,
		"SetWriteDeadline": net.Conn.SetWriteDeadline,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d, _ := returning(t, newWorld())
				c := dial(t, d)
				m := memberOf[*end](t, c)
				if err := set(c, time.Now().Add(time.Minute)); err != nil {
					t.Fatal(err)
				}
				c.Close()
				c = again(t, d, m)
				time.Sleep(time.Hour)
				go m.say(t, "hello")
				expect(t, c, "hello")
				go m.hears(t, "world")
				if _, err := io.WriteString(c, "world"); err != nil {
					t.Errorf("write: %v", err)
				}
			})
		})
	}
}

func TestAPoolWhoseMembersServeOneLeaseHasNoneToReturn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := newWorld().dials(1)
		cfg.SingleUse = true
		if _, err := poolnet.NewDialer(open(t, cfg)).Returning(); !errors.Is(err, poolnet.ErrSingleUse) {
			t.Errorf("Returning: %v, want ErrSingleUse", err)
		}
	})
}

func TestADialerNeedsAPoolAndAChooser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := open(t, newWorld().dials(1))
		for want, misuse := range map[string]func(){
			"nil pool":     func() { poolnet.NewDialer[net.Conn](nil) },
			"nil function": func() { poolnet.NewDialer(p).Choosing(nil) },
		} {
			func() {
				defer func() {
					if s, _ := recover().(string); !strings.Contains(s, want) {
						t.Errorf("it panicked with %q, want to hear of a %s", s, want)
					}
				}()
				misuse()
			}()
		}
	})
}

func TestHandingOverGivesTheMemberAndItsPlaceAway(t *testing.T) {
	for name, unwrap := range map[string]func(*end) net.Conn{
		"as it is": nil,
		"bare":     func(e *end) net.Conn { return e.Conn },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				p := open(t, w.dials(1))
				synctest.Wait()
				c := dial(t, poolnet.NewDialer(p).HandingOver(unwrap))
				m := w.made()[0]
				if want := net.Conn(m); unwrap == nil && c != want || unwrap != nil && c != m.Conn {
					t.Errorf("got a %T, want the bare connection", c)
				}
				if s := p.Stats(); s.OnLoan != 0 {
					t.Errorf("%d members on loan, want none", s.OnLoan)
				}
				p.Close()
				go m.say(t, "hello")
				expect(t, c, "hello")
				c.Close()
				if m.isShut() {
					t.Error("the pool shut what it had given away")
				}
			})
		})
	}
}

func TestTheLatestWordOnCloseCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := open(t, newWorld().dials(1))
		d, err := poolnet.NewDialer(p).HandingOver(nil).Returning()
		if err != nil {
			t.Fatal(err)
		}
		c := dial(t, d)
		m := memberOf[*end](t, c)
		c.Close()
		if m.isShut() || p.Stats().OnLoan != 0 {
			t.Error("the member was not returned")
		}
		bare := dial(t, d.HandingOver(nil))
		defer bare.Close()
		if _, ok := bare.(*end); !ok || p.Stats().OnLoan != 0 {
			t.Errorf("got a %T, want a member that was handed over", bare)
		}
	})
}

func TestAMemberThatCannotBeHandedOverIsEnded(t *testing.T) {
	var p *poolkit.Pool[*end]
	for name, test := range map[string]struct {
		unwrap func(*end) net.Conn
		want   string
	}{
		"unwrap has nothing": {func(*end) net.Conn { return nil }, "returned no connection"},
		"unwrap panics":      {func(*end) net.Conn { panic("oh") }, "panic: oh"},
		"the pool closes":    {func(e *end) net.Conn { p.Close(); return e }, "pool closed"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				p = open(t, w.dials(1))
				synctest.Wait()
				_, err := func() (c net.Conn, err error) {
					defer func() {
						if v := recover(); v != nil {
							err = errors.New("panic: " + v.(string))
						}
					}()
					return poolnet.NewDialer(p).HandingOver(test.unwrap).Dial("tcp", "")
				}()
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("dial: %v, want %q", err, test.want)
				}
				if m := w.made()[0]; m.shut.Load() != 1 {
					t.Errorf("the member was shut %d times, want once", m.shut.Load())
				}
				if s := p.Stats(); s.OnLoan != 0 {
					t.Errorf("%d members on loan, want none", s.OnLoan)
				}
			})
		})
	}
}

func TestTheAddressChoosesWhereAskedTo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.dials(4)
		cfg.Peer = func(e *end) string { return []string{"alice", "bob"}[e.id[3]%2] }
		p := open(t, cfg)
		var networks []string
		d := poolnet.NewDialer(p).Choosing(func(ctx context.Context, network, addr string) (poolkit.Lease[*end], error) {
			networks = append(networks, network)
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return poolkit.Lease[*end]{}, err
			}
			return p.AcquireFrom(ctx, host)
		})
		back, err := d.Returning() // the choice stays
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c, err := back.DialContext(t.Context(), "udp", "alice:80")
			if err != nil {
				t.Fatal(err)
			}
			if id := memberOf[*end](t, c).id; id[3]%2 != 0 {
				t.Errorf("got member %v of bob, want one of alice", id)
			}
			c.Close()
			if c, err = d.DialAddr(t.Context(), "bob:443"); err != nil {
				t.Fatal(err)
			}
			if id := memberOf[*end](t, c).id; id[3]%2 != 1 {
				t.Errorf("got member %v of alice, want one of bob", id)
			}
			c.Close()
		}
		if got := strings.Join(networks, " "); got != strings.TrimSpace(strings.Repeat("udp tcp ", 5)) {
			t.Errorf("the networks were %q", got)
		}
		if _, err := d.Dial("tcp", "no port"); err == nil || !strings.Contains(err.Error(), "missing port") {
			t.Errorf("dial: %v, want the chooser's own error", err)
		}
	})
}

func TestAChooserThatReturnsNothingIsFoundOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := open(t, newWorld().dials(1))
		d := poolnet.NewDialer(p).Choosing(func(context.Context, string, string) (poolkit.Lease[*end], error) {
			return poolkit.Lease[*end]{}, nil
		})
		if _, err := d.Dial("tcp", ""); err == nil || !strings.Contains(err.Error(), "neither a member nor an error") {
			t.Errorf("dial: %v, want to hear that there is no member", err)
		}
	})
}

func TestADialThatWaitsInVainSaysWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cause := errors.New("wrong password")
		cfg := newWorld().dials(1)
		cfg.Dialer = poolkit.DialerFunc[*end](func(context.Context, int) (poolkit.ID, *end, error) {
			return poolkit.ID{}, nil, cause
		})
		p := open(t, cfg)
		d := poolnet.NewDialer(p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := d.DialContext(ctx, "tcp", "example.com:80")
		if !timeout(err) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), cause.Error()) {
			t.Errorf("dial: %v, want a timeout that names %q", err, cause)
		}
		p.Close()
		if _, err := d.Dial("tcp", "example.com:80"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial of a closed pool: %v, want net.ErrClosed", err)
		}
	})
}

func TestAConnectionOutlivesTheContextOfItsDial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := open(t, newWorld().dials(1))
		ctx, cancel := context.WithCancel(t.Context())
		c, err := poolnet.NewDialer(p).DialContext(ctx, "tcp", "")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		m := memberOf[*end](t, c)
		go m.say(t, "hello")
		expect(t, c, "hello")
	})
}
