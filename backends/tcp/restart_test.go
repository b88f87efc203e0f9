package tcp

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// gauge is how many of something there are at once, and the most that there were.
type gauge struct{ now, most atomic.Int32 }

func (g *gauge) in() {
	n := g.now.Add(1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
}

func (g *gauge) out() { g.now.Add(-1) }

// crowd is clients that use a pool without a pause, until they are stopped.
type crowd struct {
	work sync.WaitGroup
	over atomic.Bool

	down     atomic.Bool  // everything that was open has ended, and nothing new can be
	served   atomic.Int64 // requests that went well
	failed   atomic.Int64 // requests that did not
	fromDead atomic.Int64 // leases while the server was down: their connections are dead
	refused  atomic.Int64 // acquires that failed
}

func (c *crowd) start(p *pool, clients int) {
	for range clients {
		c.work.Go(func() {
			for !c.over.Load() {
				c.request(p)
			}
		})
	}
}

func (c *crowd) request(p *pool) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	wasDown := c.down.Load()
	l, err := p.Acquire(ctx)
	if err != nil {
		c.refused.Add(1)
		return
	}
	if wasDown && c.down.Load() {
		c.fromDead.Add(1)
	}
	if err := exchange(l.Conn()); err != nil {
		c.failed.Add(1)
	} else {
		c.served.Add(1)
	}
	l.Release()
}

func (c *crowd) stop() {
	c.over.Store(true)
	c.work.Wait()
}

// all collects the connections of a pool, by its Prepare.
type all struct {
	mu    sync.Mutex
	conns []*Conn // guarded by mu
}

func (a *all) add(_ context.Context, c *Conn) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns = append(a.conns, c)
	return nil
}

// ended reports whether all have arrived at their end.
func (a *all) ended() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		if c.socket.look() != ended && c.socket.open() {
			return false
		}
	}
	return true
}

func TestAServerRestartsUnder64Clients(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		const clients, target, dialling = 64, 32, 8
		s, cfg := serverThat(t, secure, echo)
		var dials gauge
		var conns all
		cfg.MinCapacity, cfg.MaxCapacity, cfg.MaxDialing = target, target, dialling
		cfg.Prepare = conns.add
		cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.in()
			defer dials.out()
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
		p := poolOf(t, target, cfg)
		var c crowd
		c.start(p, clients)
		defer c.stop()
		for round := range 2 {
			served := c.served.Load()
			eventually(t, "nobody is served", func() bool { return c.served.Load() > served+200 })
			failed := c.failed.Load()
			s.stop()
			eventually(t, "the connections do not end", conns.ended)
			c.down.Store(true)
			eventually(t, "the pool keeps dead connections", func() bool { s := p.Stats(); return s.Idle == 0 && s.OnLoan == 0 })
			eventually(t, "nothing failed", func() bool { return p.Stats().LastError != nil })
			c.down.Store(false)
			t.Logf("restart %d: %d requests were under way, and failed", round, c.failed.Load()-failed)
			s.start()
			failed = c.failed.Load()
			served = c.served.Load()
			eventually(t, "nobody is served after the restart", func() bool { return c.served.Load() > served+200 })
			if n := c.failed.Load() - failed; n > 0 {
				t.Errorf("restart %d: %d requests failed after it", round, n)
			}
		}
		c.stop()
		ready(t, p, target)
		if n := c.fromDead.Load(); n > 0 {
			t.Errorf("%d dead connections were lent", n)
		}
		if n := c.refused.Load(); n > 0 {
			t.Errorf("%d acquires failed, want none: they wait", n)
		}
		if n := dials.most.Load(); n > dialling {
			t.Errorf("%d dials were under way at once, want at most %d", n, dialling)
		}
	})
}

// How soon the pool is full again is a matter of time, so it is looked at in virtual
// time: a dial takes 2 ms, 8 at once, so that 32 take 8 ms.
func TestThePoolIsFullWithinASecondOfTheServersReturn(t *testing.T) {
	for _, outage := range []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond} {
		t.Run(outage.String(), func(t *testing.T) {
			inFakeNet(t, func(t *testing.T, n *fakeNet) {
				const target = 32
				var conns sync.Map
				up := n.serves(2*time.Millisecond, func(conn net.Conn) {
					conns.Store(conn, nil)
					swallow(conn)
				})
				n.is("db:1", up)
				p := n.pool(DialConfig{Addr: "db:1", MinCapacity: target, MaxCapacity: target, MaxDialing: 8})
				ready(t, p, target)
				time.Sleep(time.Minute)
				n.is("db:1", refuses)
				p.Flush() // a pipe has no socket whose end could be seen
				time.Sleep(outage)
				n.is("db:1", up)
				start := time.Now()
				ready(t, p, target)
				if took := time.Since(start); took > time.Second {
					t.Errorf("after an outage of %v it took %v", outage, took)
				} else {
					t.Logf("after an outage of %v it took %v", outage, took)
				}
				synctest.Wait()
			})
		})
	}
}

// A server that closes what is idle for too long costs dials, but nobody is lent what it
// has closed, and whoever comes is served.
func TestAServerThatClosesIdleConnectionsAfterASecond(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		var left departures
		s, cfg := serverThat(t, secure, func(conn net.Conn) {
			defer conn.Close()
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			echo(conn)
		})
		cfg.Hooks = left.hooks()
		p := poolOf(t, 4, cfg)
		eventually(t, "no connection was closed", func() bool { return left.of(poolkit.Gone) >= 8 })
		eventually(t, "nobody is served", func() bool {
			l := acquire(t, p)
			defer l.Release()
			return exchange(l.Conn()) == nil // unless the server was faster
		})
		s.stop()
	})
}
