package poolnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// listen starts a listener for a test, which closes it.
func listen[C net.Conn](t testing.TB, p *poolkit.Pool[C], cfg poolnet.ListenerConfig) *poolnet.Listener[C] {
	t.Helper()
	l, err := poolnet.NewListener(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accepted is what one call of Accept returned.
type accepted struct {
	net.Conn
	err error
}

// accepting calls Accept until it fails.
func accepting(l net.Listener) <-chan accepted {
	all := make(chan accepted, 64) // more than any test reads
	go func() {
		for {
			c, err := l.Accept()
			all <- accepted{c, err}
			if err != nil {
				return
			}
		}
	}()
	synctest.Wait()
	return all
}

// none fails the test if somebody has been accepted.
func none(t testing.TB, all <-chan accepted, when string) {
	t.Helper()
	synctest.Wait()
	select {
	case a := <-all:
		t.Fatalf("%s: Accept returned %v, %v", when, a.Conn, a.err)
	default:
	}
}

func TestAcceptYieldsAMemberWhenItsPeerHasSpoken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		all := accepting(listen(t, p, poolnet.ListenerConfig{}))
		silent, other := w.connect(), w.connect()
		time.Sleep(24 * time.Hour)
		none(t, all, "while all are silent")
		go other.say(t, "hello")
		c := <-all
		if c.err != nil {
			t.Fatal(c.err)
		}
		if memberOf[*end](t, c.Conn) != other {
			t.Fatal("accepted the silent one")
		}
		expect(t, c, "hello")
		go func() { _, _ = io.WriteString(c, "world") }()
		other.hears(t, "world")
		none(t, all, "while the other is silent")
		go silent.say(t, "me too")
		c = <-all
		expect(t, c, "me too")
		if s := p.Stats(); s.OnLoan != 2 {
			t.Errorf("%d members on loan, want 2", s.OnLoan)
		}
		c.Close()
		if !silent.isShut() || other.isShut() {
			t.Error("Close did not end the member, or not that one alone")
		}
	})
}

func TestTheFirstByteIsReadOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		all := accepting(listen(t, open(t, w.accepts()), poolnet.ListenerConfig{}))
		e := w.connect()
		go e.say(t, "abc")
		c := <-all
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("reading nothing: %d, %v", n, err)
		}
		synctest.Wait()
		first := make(chan byte, 3)
		for range 3 {
			go func() {
				b := make([]byte, 1)
				if _, err := c.Read(b); err != nil {
					t.Error(err)
				}
				first <- b[0]
			}()
		}
		if got := [256]bool{}; true {
			for range 3 {
				got[<-first] = true
			}
			if !got['a'] || !got['b'] || !got['c'] {
				t.Error("three readers have not read each byte once")
			}
		}
	})
}

func TestTheFirstByteIsCopiedToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		// A pool of members with WriteTo.
		cfg := poolkit.Config[net.Conn]{
			Acceptor: acceptFunc(func(ctx context.Context) (poolkit.Offer[net.Conn], error) {
				o, err := w.Accept(ctx)
				if err != nil {
					return nil, err
				}
				return sockOffer{o.(offer)}, nil
			}),
			Shut: func(c net.Conn) error { return shutEnd(endOf(c)) },
		}
		all := accepting(listen(t, open(t, cfg), poolnet.ListenerConfig{}))
		e := w.connect()
		go func() {
			e.say(t, "hello")
			e.far.Close()
		}()
		var got strings.Builder
		if n, err := io.Copy(onlyWriter{&got}, (<-all).Conn); n != 5 || err != nil || got.String() != "hello" {
			t.Errorf("copied %q, %d bytes, %v; want hello", got.String(), n, err)
		}
	})
}

type acceptFunc func(ctx context.Context) (poolkit.Offer[net.Conn], error)

func (f acceptFunc) Accept(ctx context.Context) (poolkit.Offer[net.Conn], error) { return f(ctx) }

type sockOffer struct{ offer }

func (o sockOffer) Admit(ctx context.Context, id poolkit.ID) (net.Conn, error) {
	e, err := o.offer.Admit(ctx, id)
	return asSock(e), err
}

// gone checks that a pool's only member has been shut once.
func gone(t *testing.T, p *poolkit.Pool[*end], e *end) {
	t.Helper()
	if s := p.Stats(); s.Open() != 0 || e.shut.Load() != 1 {
		t.Errorf("%d members open, shut %d times, want none and once", s.Open(), e.shut.Load())
	}
}

func TestAMemberThatEndsInSilenceIsNotAccepted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		all := accepting(listen(t, p, poolnet.ListenerConfig{}))
		e := w.connect()
		synctest.Wait()
		e.far.Close()
		none(t, all, "after its end")
		gone(t, p, e)
	})
}

func TestClosingTheListenerGivesParkedMembersBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		l := listen(t, p, poolnet.ListenerConfig{})
		all := accepting(l)
		used, parked := w.connect(), w.connect()
		go used.say(t, "x")
		c := <-all
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if a := <-all; !errors.Is(a.err, net.ErrClosed) {
			t.Errorf("Accept: %v, want net.ErrClosed", a.err)
		}
		if s := p.Stats(); s.Idle != 1 || s.OnLoan != 1 {
			t.Errorf("%d idle and %d on loan, want the parked one idle and the accepted one on loan", s.Idle, s.OnLoan)
		}
		expect(t, c, "x")
		go used.say(t, "on and on")
		expect(t, c, "on and on")

		lease, ok := p.TryAcquire()
		if !ok || lease.Conn() != parked {
			t.Fatal("the parked member has not come back")
		}
		time.Sleep(time.Hour)
		go parked.say(t, "hello") // no deadline is left
		expect(t, lease.Conn(), "hello")
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept: %v, want net.ErrClosed", err)
			}
		}
	})
}

func TestClosingTheListenerEndsThoseThatWereNotAccepted(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, e *end){
		"the peer has spoken":    func(t *testing.T, e *end) { go e.say(t, "x") },
		"it knows no deadlines":  func(_ *testing.T, e *end) { e.stubborn.Store(true) },
		"it fails as it likes":   func(_ *testing.T, e *end) { e.rude.Store(true) },
		"the peer is just going": func(_ *testing.T, e *end) { go e.far.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				p := open(t, w.accepts())
				l := listen(t, p, poolnet.ListenerConfig{})
				e := w.connect()
				synctest.Wait()
				spoil(t, e)
				synctest.Wait()
				l.Close()
				gone(t, p, e)
			})
		})
	}
}

func TestAMemberWhoseDeadlineStaysIsEndedWithTheListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		l := listen(t, p, poolnet.ListenerConfig{})
		e := w.connect()
		synctest.Wait()
		e.once.Store(true)
		l.Close()
		gone(t, p, e)
	})
}

func TestAMemberThatServesOneLeaseEndsWithTheListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.accepts()
		cfg.SingleUse = true
		p := open(t, cfg)
		l := listen(t, p, poolnet.ListenerConfig{})
		e := w.connect()
		synctest.Wait()
		l.Close()
		gone(t, p, e)
	})
}

func TestNoMoreAreParkedThanAllowed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		all := accepting(listen(t, p, poolnet.ListenerConfig{MaxParked: 2}))
		ends := []*end{w.connect(), w.connect(), w.connect()}
		if s := p.Stats(); s.OnLoan != 2 || s.Idle != 1 {
			t.Errorf("%d on loan and %d idle, want 2 parked and 1 idle", s.OnLoan, s.Idle)
		}
		go ends[2].say(t, "x")
		none(t, all, "while the one that speaks is not parked")
		ends[0].far.Close() // gives its place away
		c := <-all
		if memberOf[*end](t, c.Conn) != ends[2] {
			t.Error("accepted a silent member")
		}
		go ends[1].say(t, "y") // and so does who is accepted
		c = <-all
		expect(t, c, "y")
	})
}

func TestAPoolThatDialsKeepsAsManyParkedAsItIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.dials(1))
		p.Resize(0, 0)
		all := accepting(listen(t, p, poolnet.ListenerConfig{MaxParked: 3}))
		stats := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if s := p.Stats(); s.OnLoan != want || s.Open() != want {
				t.Errorf("%s: %d on loan and %d open, want %d of both", when, s.OnLoan, s.Open(), want)
			}
		}
		stats("at first", 3)
		var conns []net.Conn
		used := make(map[*end]bool)
		for i := range 4 {
			for _, e := range w.made() {
				if !used[e] && !e.isShut() {
					used[e] = true
					go e.say(t, "x")
					break
				}
			}
			conns = append(conns, (<-all).Conn)
			stats("as they are used", 4+i)
		}
		for _, c := range conns {
			c.Close()
		}
		stats("when they are closed", 3)
	})
}

func TestWhereTheServerSpeaksFirstNothingIsParked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		l := listen(t, p, poolnet.ListenerConfig{ServerFirst: true})
		all := accepting(l)
		e := w.connect()
		c := <-all
		go func() { _, _ = io.WriteString(c, "220 ready") }()
		e.hears(t, "220 ready")
		e = w.connect()
		<-all
		l.Close()
		if a := <-all; !errors.Is(a.err, net.ErrClosed) {
			t.Errorf("Accept: %v, want net.ErrClosed", a.err)
		}
		if e.isShut() {
			t.Error("closing the listener ended what it had yielded")
		}
		w.connect()
		synctest.Wait()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close, with a member ready: %v, want net.ErrClosed", err)
		}
	})
}

func TestAnErrorThatWaitingWillNotCureIsToldAndNotTemporary(t *testing.T) {
	for name, cfg := range map[string]poolnet.ListenerConfig{
		"parked":       {MaxParked: 1},
		"server first": {ServerFirst: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				cause := errors.New("wrong certificate")
				var broken atomic.Bool
				broken.Store(true)
				conf := w.dials(1)
				conf.Dialer = poolkit.DialerFunc[*end](func(ctx context.Context, shard int) (poolkit.ID, *end, error) {
					if broken.Load() {
						return poolkit.ID{}, nil, poolkit.Permanent(cause)
					}
					id, e, err := w.dial(ctx, shard)
					go func() { _, _ = e.far.Write([]byte("x")) }() // if it is ever read
					return id, e, err
				})
				p := open(t, conf)
				cfg.Addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
				l := listen(t, p, cfg)
				_, err := l.Accept()
				if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "accept tcp 127.0.0.1:80: ") {
					t.Errorf("Accept: %v, want %q", err, cause)
				}
				// This is how net/http and gRPC ask, and they do not unwrap.
				if ne, ok := err.(interface{ Temporary() bool }); !ok || ne.Temporary() {
					t.Errorf("%v passes for a temporary error", err)
				}
				broken.Store(false)
				for range 100 { // some are told the old cause until the pool has tried again
					time.Sleep(time.Second)
					if c, err := l.Accept(); err == nil {
						expect(t, c, "x")
						c.Close()
						return
					}
				}
				t.Error("nobody was accepted after the cause had gone")
			})
		})
	}
}

// A server leaves when it hears of an error, and ends whoever has not been accepted.
func TestWhoHasSpokenIsAcceptedBeforeAnErrorIsTold(t *testing.T) {
	for range 20 { // the order must not be a matter of luck
		bubble(t, func(t *testing.T) {
			w := newWorld()
			conf := w.dials(1)
			conf.Dialer = poolkit.DialerFunc[*end](func(ctx context.Context, shard int) (poolkit.ID, *end, error) {
				if len(w.made()) > 0 {
					return poolkit.ID{}, nil, poolkit.Permanent(errors.New("no more"))
				}
				return w.dial(ctx, shard)
			})
			conf.MaxDialing = 1
			l := listen(t, open(t, conf), poolnet.ListenerConfig{MaxParked: 2})
			synctest.Wait()
			go w.made()[0].say(t, "x")
			synctest.Wait()
			c, err := l.Accept()
			if err != nil {
				t.Fatalf("Accept: %v, want who has spoken", err)
			}
			c.Close()
		})
	}
}

func TestADrainingPoolLetsTheParkedSpeak(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w.accepts())
		all := accepting(listen(t, p, poolnet.ListenerConfig{}))
		first, second := w.connect(), w.connect()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		down := make(chan error, 1)
		go func() { down <- p.Shutdown(ctx) }()
		none(t, all, "while two are parked")

		go first.say(t, "wait for me")
		c := <-all
		expect(t, c, "wait for me")
		second.far.Close() // it has been told to go elsewhere
		if a := <-all; !errors.Is(a.err, net.ErrClosed) || !errors.Is(a.err, poolkit.ErrClosed) {
			t.Errorf("Accept: %v, want poolkit.ErrClosed", a.err)
		}
		c.Close()
		if err := <-down; err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
}

func TestClosingThePoolEndsAccepting(t *testing.T) {
	for name, cfg := range map[string]poolnet.ListenerConfig{"parked": {}, "server first": {ServerFirst: true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				p := open(t, w.accepts())
				l := listen(t, p, cfg)
				all := accepting(l)
				e := w.connect()
				if cfg.ServerFirst {
					<-all
				}
				synctest.Wait()
				p.Close()
				for range 2 {
					if a := <-all; !errors.Is(a.err, poolkit.ErrClosed) {
						t.Errorf("Accept: %v, want poolkit.ErrClosed", a.err)
					}
					all = accepting(l)
				}
				if e.shut.Load() != 1 {
					t.Errorf("shut %d times, want once", e.shut.Load())
				}
			})
		})
	}
}

func TestAListenerSaysWhatIsWrongWithItsConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dials, accepts := open(t, newWorld().dials(1)), open(t, newWorld().accepts())
		for want, try := range map[string]func() error{
			"nil pool": func() error {
				_, err := poolnet.NewListener[*end](nil, poolnet.ListenerConfig{})
				return err
			},
			"MaxParked is negative (-1)": func() error {
				_, err := poolnet.NewListener(accepts, poolnet.ListenerConfig{MaxParked: -1})
				return err
			},
			"with ServerFirst nothing is parked": func() error {
				_, err := poolnet.NewListener(accepts, poolnet.ListenerConfig{MaxParked: 1, ServerFirst: true})
				return err
			},
			"the pool dials": func() error {
				_, err := poolnet.NewListener(dials, poolnet.ListenerConfig{})
				return err
			},
		} {
			if err := try(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	})
}

func TestAListenerHasAnAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := open(t, newWorld().accepts())
		if a := listen(t, p, poolnet.ListenerConfig{}).Addr(); a.Network() != "pool" || a.String() != "pool" {
			t.Errorf("the address is %v %v", a.Network(), a)
		}
		want := &net.UDPAddr{Port: 443}
		if a := listen(t, p, poolnet.ListenerConfig{Addr: want}).Addr(); a != want {
			t.Errorf("the address is %v, want %v", a, want)
		}
	})
}
