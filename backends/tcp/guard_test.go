package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/access"
)

func from(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4433} }

// greets is how many connections of an address a guard lets in, one after the other.
func greets(g *guard, addr net.Addr, most int) (guests []*guest) {
	for range most {
		v := g.greet(addr)
		if v == nil {
			break
		}
		guests = append(guests, v)
	}
	return guests
}

func TestLimitsAreTheDocumentedOnesUnlessSaidOtherwise(t *testing.T) {
	if got, want := (Limits{}).resolved(), (Limits{16384, 256, 65536, 1024}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := (Limits{-1, -2, math.MinInt, -1}).resolved(), (Limits{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := (Limits{1, 2, 3, 4}).resolved(), (Limits{1, 2, 3, 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestAPeerHasNoMoreConnectionsThanItsLimit(t *testing.T) {
	g := newGuard(nil, Limits{Connections: 5}, nil)
	first := greets(g, from("10.0.0.1"), 10)
	if len(first) != 5 {
		t.Fatalf("%d connections", len(first))
	}
	if g.greet(from("::ffff:10.0.0.1")) != nil {
		t.Error("the other form of the address is another peer")
	}
	if n := len(greets(g, from("10.0.0.2"), 10)); n != 5 {
		t.Errorf("%d connections of another peer", n)
	}
	for range 3 { // which counts once
		first[0].leave()
	}
	if n := len(greets(g, from("10.0.0.1"), 10)); n != 1 {
		t.Errorf("%d connections after one has ended", n)
	}
}

func TestAPeerSetsUpNoMoreConnectionsAtOnceThanItsLimit(t *testing.T) {
	g := newGuard(nil, Limits{Handshakes: 5}, nil)
	first := greets(g, from("10.0.0.1"), 10)
	if len(first) != 5 {
		t.Fatalf("%d handshakes", len(first))
	}
	for range 3 { // which counts once
		first[0].settle()
	}
	first[1].leave()
	first[1].settle()
	if n := len(greets(g, from("10.0.0.1"), 10)); n != 2 {
		t.Errorf("%d handshakes after two have ended", n)
	}
}

func TestPeersThatTakeAllTheyCanLeaveSomeForTheNext(t *testing.T) {
	for name, l := range map[string]Limits{
		"connections": {Connections: 1000, Handshakes: -1, TotalConnections: 1000, TotalHandshakes: -1},
		"handshakes":  {Connections: -1, Handshakes: 1000, TotalConnections: -1, TotalHandshakes: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(nil, l, nil)
			total := 0
			for i := range 100 {
				n := len(greets(g, from(fmt.Sprintf("10.0.0.%d", i)), 2000))
				if want := min(least, 1000-total); n < want {
					t.Fatalf("peer %d got %d while %d were left", i, n, 1000-total)
				}
				if i < 3 && n > 1000>>(i+1)+1 {
					t.Errorf("peer %d got %d", i, n)
				}
				total += n
			}
			if total != 1000 {
				t.Errorf("%d in all", total)
			}
		})
	}
}

func TestAPeerThatHasNothingIsForgotten(t *testing.T) {
	g := newGuard(nil, Limits{}, nil)
	for i := range 1000 {
		for _, v := range greets(g, from(fmt.Sprintf("10.0.%d.%d", i/250, i%250)), 3) {
			v.settle()
			v.leave()
		}
	}
	if len(g.accounts) != 0 || g.total != (account{}) {
		t.Errorf("%d accounts, %+v in all", len(g.accounts), g.total)
	}
}

func TestAPeerWithoutAnIPAddressHasNoLimitOfItsOwn(t *testing.T) {
	g := newGuard(nil, Limits{Connections: 5, TotalConnections: 20}, nil)
	if n := len(greets(g, &net.UnixAddr{Name: "x"}, 100)); n != 20 {
		t.Errorf("%d connections", n)
	}
}

func TestOnlyAllowedAddressesAreGreeted(t *testing.T) {
	allow, err := access.ParseAllowList("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	var refusals Refusals
	g := newGuard(allow, Limits{}, &refusals)
	if g.greet(from("10.1.2.3")) == nil || g.greet(from("11.1.2.3")) != nil {
		t.Error("the list is not heeded")
	}
	if n := refusals.NotAllowed.Load(); n != 1 {
		t.Errorf("%d count as not allowed, want 1", n)
	}
}

func TestWhatIsRefusedIsCounted(t *testing.T) {
	var refusals Refusals
	g := newGuard(nil, Limits{Connections: 5, Handshakes: 4, TotalConnections: 200}, &refusals)
	settle := func(vs []*guest) {
		for _, v := range vs {
			v.settle()
		}
	}
	settle(greets(g, from("10.0.0.1"), 5)) // the fifth is one handshake too many
	for range 3 {
		settle(greets(g, from("10.0.0.1"), 1)) // two more connections than there may be
	}
	for range 250 {
		settle(greets(g, &net.UnixAddr{Name: "x"}, 1))
	}
	if h, c, f := refusals.Handshakes.Load(), refusals.Connections.Load(), refusals.Full.Load(); h != 1 || c != 2 || f != 55 {
		t.Errorf("%d handshakes, %d connections and %d of all were refused; want 1, 2 and 55", h, c, f)
	}
}

// The rest is on loopback.

func TestAStrangerIsRefusedBeforeTheHandshake(t *testing.T) {
	conf, trusts := certificate(t)
	var hellos atomic.Int32
	conf.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		hellos.Add(1)
		return nil, nil // the same for all
	}
	w := &site{T: t, server: conf, client: trusts}
	server := w.listen(ListenConfig{AllowedClients: "192.0.2.0/24, 127.0.0.2"})

	var raw net.Conn
	eventually(t, "no connection is there before it is reset", func() (ok bool) {
		var err error
		raw, err = net.Dial("tcp", w.addr)
		return err == nil
	})
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(raw); len(answer) > 0 || isTimeout(err) {
		t.Errorf("a stranger that says nothing was told %x, %v", answer, err)
	}
	if err := tls.Client(raw, trusts).Handshake(); err == nil {
		t.Error("a handshake with a stranger")
	}

	stranger := w.dial(3, DialConfig{})
	eventually(t, "nothing has failed", func() bool { return stranger.Stats().Failed > 0 })
	if n := hellos.Load(); n != 0 {
		t.Errorf("%d hellos of strangers were read", n)
	}
	if s := server.Stats(); s.Created != 0 {
		t.Errorf("%+v", s)
	}

	allowed := w.dialFrom("127.0.0.2", 3)
	settled(t, 3, server, allowed)
}

// dialFrom is dial from an address of loopback.
func (s *site) dialFrom(ip string, n int) *pool {
	s.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return s.dial(n, DialConfig{DialContext: d.DialContext})
}

// floods are what a peer may do with the connections it gets.
var floods = map[string]func(net.Conn){
	"silent": func(net.Conn) {},
	"slow":   func(c net.Conn) { _, _ = io.WriteString(c, "\x16\x03\x01\x02\x00") }, // of a hello, nothing more
}

// A peer that opens all it can, and completes nothing or gives nothing back, takes what
// its limits say, and nothing from others.
func TestAFloodTakesNoMoreThanItsLimits(t *testing.T) {
	for name, begin := range floods {
		t.Run(name, func(t *testing.T) {
			eachWay(t, func(t *testing.T, w *site) {
				const limit = 20
				server := w.listen(ListenConfig{Limits: Limits{Connections: limit, Handshakes: limit / 2}})
				attacker := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
				var held []net.Conn
				var wg sync.WaitGroup
				var refused atomic.Int32
				for range 10 * limit {
					c, err := attacker.Dial("tcp", w.addr)
					if err != nil {
						refused.Add(1) // reset in the middle of it
						continue
					}
					held = append(held, c)
					begin(c)
					wg.Go(func() {
						for b := make([]byte, 100); ; {
							if _, err := c.Read(b); errors.Is(err, net.ErrClosed) {
								return
							} else if err != nil {
								refused.Add(1)
								return
							}
						}
					})
				}
				most := int32(limit)
				if w.server != nil {
					most = limit / 2
				}
				eventually(t, "more are held than the limits say", func() bool { return refused.Load() >= 10*limit-most })
				if s := server.Stats(); s.Open() > int(most) {
					t.Errorf("%+v", s)
				}
				client := w.dial(10, DialConfig{}) // from elsewhere
				settled(t, 10, client)
				s, c := meet2(t, client, server)
				usable(t, s, c)
				for _, c := range held {
					reset(c)
				}
				wg.Wait()
				c.Close()
				s.Close()
				settled(t, 10, server, client)
			})
		})
	}
}

// meet2 is meet the other way round.
func meet2(tb testing.TB, client, server *pool) (c, s *Conn) {
	tb.Helper()
	l := acquire(tb, client)
	return l.Conn(), acquireID(tb, server, l.ID()).Conn()
}

func TestAHijackedConnectionNoLongerCounts(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server := w.listen(ListenConfig{Limits: Limits{Connections: 2}})
		client := w.dial(1, DialConfig{})
		for range 10 {
			l := acquire(t, server)
			raw := l.Conn().NetConn()
			if !l.Hijack() {
				t.Fatal("the lease is over")
			}
			c := acquireID(t, client, l.ID())
			usable(t, raw, c.Conn())
			t.Cleanup(func() { raw.Close(); c.Release() })
		}
		settled(t, 1, server)
	})
}
