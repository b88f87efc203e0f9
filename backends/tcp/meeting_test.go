package tcp

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

func TestBothEndsKnowAConnectionByTheSameID(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(5)
		for range 20 {
			s, c := meet(t, server, client)
			if s.ID() != c.ID() {
				t.Errorf("%v and %v", s.ID(), c.ID())
			}
			usable(t, s, c)
			s.Close()
			c.Close()
		}
		settled(t, 5, server, client)
	})
}

// One end takes any, and tells the other the ID, from many goroutines: each end in its
// turn.
func TestBothEndsAgreeOnIDsUnderStress(t *testing.T) {
	const workers, rounds = 8, 30
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(2 * workers)
		for _, ends := range [][2]*pool{{server, client}, {client, server}} {
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for n := range rounds {
						agree(t, ends[0], ends[1], n%2 == 0)
					}
				})
			}
			wg.Wait()
			settled(t, 2*workers, server, client)
		}
	})
}

// agree takes a connection at one end, writes its ID, and sees whether the other end
// finds it where it is said to be. If hasty, the end that wrote is closed at once.
func agree(t *testing.T, from, to *pool, hasty bool) {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	a, err := from.Acquire(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	defer a.Release()
	if _, err := io.WriteString(a.Conn(), a.ID().String()); err != nil {
		t.Errorf("write to %v: %v", a.ID(), err)
	}
	if hasty {
		a.Conn().Close()
	}
	b, err := to.AcquireID(ctx, a.ID())
	if err != nil {
		t.Errorf("find %v: %v", a.ID(), err)
		return
	}
	defer b.Release()
	got := make([]byte, len(a.ID().String()))
	if _, err := io.ReadFull(b.Conn(), got); err != nil || string(got) != a.ID().String() {
		t.Errorf("%v carried %q, %v", a.ID(), got, err)
	}
}

func TestAServerTakesTheOldestAndAClientTheYoungest(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		const n = 6
		server := w.listen(ListenConfig{})
		client := w.dial(1, DialConfig{MaxOpen: n}) // what is taken is not replaced
		for i := range n {                          // one after the other, so that both ends know the order
			client.Resize(i+1, i+1)
			ready(t, client, i+1)
			ready(t, server, i+1)
		}
		var fromServer, fromClient []poolkit.ID
		for range n / 2 {
			fromServer = append(fromServer, acquire(t, server).ID())
			fromClient = append(fromClient, acquire(t, client).ID())
		}
		for _, id := range fromServer {
			acquireID(t, client, id)
		}
		for _, id := range fromClient {
			acquireID(t, server, id)
		}
	})
}

func TestBytesThatArriveBeforeAnybodyTakesAConnectionAreKept(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(1)
		for _, ends := range [][2]*pool{{server, client}, {client, server}} {
			for _, end := range []string{"Close", "CloseWrite", "neither"} {
				for _, message := range []string{"x", "ab", "hello", string(make([]byte, 30_000))} {
					l := acquire(t, ends[0])
					if _, err := io.WriteString(l.Conn(), message); err != nil {
						t.Fatal(err)
					}
					switch end {
					case "Close":
						l.Release()
					case "CloseWrite":
						if err := l.Conn().CloseWrite(); err != nil {
							t.Fatal(err)
						}
					}
					// It stays, whether its end is known of or not.
					other := acquireID(t, ends[1], l.ID()).Conn()
					got := make([]byte, len(message))
					if _, err := io.ReadFull(other, got); err != nil || string(got) != message {
						t.Errorf("%s after %d bytes: read %v", end, len(message), err)
					}
					if end != "neither" {
						if n, err := other.Read(got); n != 0 || !errors.Is(err, io.EOF) {
							t.Errorf("%s after %d bytes: then %d, %v", end, len(message), n, err)
						}
					}
					other.Close()
					l.Release()
				}
			}
		}
		settled(t, 1, server, client)
	})
}

func TestAnIdleConnectionThatThePeerEndsLeavesAtOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(3)
		for _, ends := range [][2]*pool{{server, client}, {client, server}} {
			for _, end := range []func(*Conn) error{(*Conn).Close, (*Conn).Abort, (*Conn).CloseWrite} {
				lost := ends[1].Stats().Lost
				l := acquire(t, ends[0])
				if err := end(l.Conn()); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the peer still has it", func() bool { return ends[1].Stats().Lost > lost })
				if _, ok := ends[1].TryAcquireID(l.ID()); ok {
					t.Error("it is lent although it has ended")
				}
				l.Release()
			}
		}
		settled(t, 3, server, client)
	})
}

// A connection is looked at when it is lent, in case that its end has not been heard of.
func TestAConnectionThatHasEndedIsNotLentBeforeItsEndIsHeardOf(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(1)
		s, c := meet(t, server, client)
		c.mu.Lock()
		c.meeting.taken = false // as if nobody had it
		c.mu.Unlock()
		c.lookout.remove(c)
		s.Close()
		eventually(t, "the end has not arrived", func() bool { return !c.socket.open() })
		if fit(c) {
			t.Error("an ended connection is healthy")
		}
	})
}

func TestReleaseEndsALease(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(2)
		for _, p := range []*pool{server, client} {
			l := acquire(t, p)
			l.Release()
			if _, err := l.Conn().Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Release: %v", err)
			}
		}
		settled(t, 2, server, client)
	})
}

func TestClientsAreToldApart(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		var asked atomic.Int32
		server := w.listen(ListenConfig{Peer: func(info PeerInfo) string {
			asked.Add(1)
			if (info.TLS.Version != 0) != (w.server != nil) {
				t.Errorf("the state of TLS is %+v", info.TLS)
			}
			return info.RemoteAddr.String()
		}})
		client := w.dial(3, DialConfig{})
		ready(t, server, 3)
		if n := asked.Load(); n != 3 {
			t.Errorf("asked for the name of %d connections", n)
		}
		c := acquire(t, client)
		s, err := server.AcquireFrom(t.Context(), c.Conn().LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		if s.ID() != c.ID() || s.Peer() != s.Conn().Peer() || c.Conn().Peer() != w.addr {
			t.Errorf("%v of %q, %v of %q", s.ID(), s.Peer(), c.ID(), c.Conn().Peer())
		}
	})
}

func TestAClientIsCalledAfterItsAddress(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, _ := w.pair(2)
		s, err := server.AcquireFrom(t.Context(), "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if ps := server.Peers(); len(ps) != 1 || ps[0].Peer != "127.0.0.1" || s.Peer() != "127.0.0.1" {
			t.Errorf("%+v, %q", ps, s.Peer())
		}
	})
}

func TestAPanicOfPeerEndsTheConnectionAlone(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		panics := make(chan error, 100)
		var calls atomic.Int32
		server := w.listen(ListenConfig{
			Peer: func(PeerInfo) string {
				if calls.Add(1) == 1 {
					panic("no name")
				}
				return "somebody"
			},
			Hooks: poolkit.Hooks{Failed: func(_ int, err error) { panics <- err }},
		})
		client := w.dial(2, DialConfig{})
		ready(t, server, 2)
		ready(t, client, 2)
		var p *poolkit.PanicError
		if err := <-panics; !errors.As(err, &p) {
			t.Errorf("%v", err)
		}
		settled(t, 2, server, client)
	})
}

func TestNoGoroutinePerIdleConnection(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		const n = 300
		before := runtime.NumGoroutine()
		server, client := w.pair(n)
		settled(t, n, server, client)
		var grown int
		eventually(t, "goroutines wait for idle connections", func() bool {
			grown = runtime.NumGoroutine() - before
			return grown <= 10
		})
		t.Logf("%d goroutines more for %d connections at both ends", grown, n)
	})
}

func TestShutdownOfAServerLetsLeasesEnd(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(3)
		s, c := meet(t, server, client)
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			if err := server.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "somebody listens", func() bool {
			conn, err := net.Dial("tcp", w.addr)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		usable(t, s, c)
		s.Close()
		wg.Wait()
	})
}

func TestCloseAtEveryMoment(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		for i := range 60 {
			w.addr = ""
			server := w.listen(ListenConfig{})
			client := w.dial(16, DialConfig{})
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for {
						l, err := server.Acquire(t.Context())
						if err != nil {
							return
						}
						other, err := client.AcquireID(t.Context(), l.ID())
						if err != nil {
							l.Release()
							return
						}
						other.Release()
						l.Release()
					}
				})
			}
			for range rand.IntN(30) + i {
				runtime.Gosched()
			}
			pools := []*pool{server, client}
			if i%2 == 0 {
				slices.Reverse(pools)
			}
			for _, p := range pools {
				wg.Go(func() {
					if err := p.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, p := range pools {
				if s := p.Stats(); s.Open() != 0 {
					t.Fatalf("after Close: %+v", s)
				}
			}
		}
	})
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	server, _ := certificate(t)
	server.Certificates = nil
	for want, cfg := range map[string]ListenConfig{
		`"ten"`:          {Addr: "127.0.0.1:0", AllowedClients: "10.0.0.0/30, ten"},
		"no certificate": {Addr: "127.0.0.1:0", TLS: server},
		"listen":         {Addr: "nonsense"},
	} {
		if p, err := Listen(cfg); p != nil || err == nil {
			t.Errorf("%+v: %v", cfg, err)
		} else {
			says(t, err, "tcp: ", want)
		}
	}
	_, err := DialPeer(DialConfig{Addr: "127.0.0.1:1", Prepare: func(context.Context, *Conn) error { return nil }})
	says(t, err, "Prepare")
	_, err = DialPeer(DialConfig{Addr: "127.0.0.1:1", MaxAge: time.Hour})
	says(t, err, "MaxAge")
	_, err = DialPeer(DialConfig{})
	says(t, err, "Addr")
}

func TestAnAddressThatIsTakenIsReportedAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = Listen(ListenConfig{Addr: ln.Addr().String()})
	says(t, err, "tcp: listen", "address already in use")
}

func TestBothEndsDie(t *testing.T) {
	for _, dies := range []string{"server", "client"} {
		t.Run("the "+dies, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *site) {
				server, client := w.pair(5)
				s, c := meet(t, server, client)
				dead, other, mine := server, client, c
				if dies == "client" {
					dead, other, mine = client, server, s
				}
				if err := dead.Close(); err != nil {
					t.Fatal(err)
				}
				eventually(t, "what is dead is idle", func() bool { return other.Stats().Idle == 0 })
				if err := mine.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if _, err := mine.Read(make([]byte, 1)); err == nil || errors.Is(err, net.ErrClosed) {
					t.Errorf("in use at the other end: %v", err)
				}
				mine.Close()
				if dies == "server" {
					server = w.listen(ListenConfig{})
				} else {
					client = w.dial(5, DialConfig{})
				}
				settled(t, 5, server, client)
			})
		})
	}
}
