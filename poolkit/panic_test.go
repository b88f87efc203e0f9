package poolkit_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// policy is a function that is a sizing.Policy.
type policy func(sizing.Observation) sizing.Decision

func (f policy) Step(o sizing.Observation) sizing.Decision { return f(o) }

// Each callback panics a few times in a pool that is used all the while, or ends its
// goroutine. In the end it must be full again, and with open every place free.
func TestAPanicInACallbackIsContainedAndReported(t *testing.T) {
	for _, callback := range callbacks {
		t.Run(callback, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				misbehave(t, callback, " panicked: connection refused", func() { panic(errRefused) })
			})
		})
	}
}

func TestACallbackThatEndsItsGoroutineLosesNoPlace(t *testing.T) {
	for _, callback := range callbacks {
		t.Run(callback, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				misbehave(t, callback, " called runtime.Goexit, as FailNow of a test does", runtime.Goexit)
			})
		})
	}
}

var callbacks = []string{
	"Dial", "Accept", "Shard", "Admit", "Refuse", "Shut", "Watch", "Watch's stop", "Healthy", "Lent", "Peer", "Sequence",
	"Check", "Hooks.Joined", "Hooks.Left", "Hooks.Resized", "Hooks.Failed", "Step",
}

func misbehave(t *testing.T, callback, report string, how func()) {
	w := &world{}
	ps := newPeers(w)
	var panics notes[error]
	var on atomic.Bool
	boom := func(name string) {
		if name == callback && on.Load() {
			how()
		}
	}
	cfg := watched(w.config(2))
	cfg.Acceptor, cfg.Places = panicAcceptor{ps, boom}, 20
	cfg.Dialer = poolkit.DialerFunc[*conn](func(ctx context.Context, shard int) (poolkit.ID, *conn, error) {
		boom("Dial")
		return w.dial(ctx, shard)
	})
	cfg.Shut = func(c *conn) error {
		_ = shutConn(c)
		boom("Shut")
		return nil
	}
	watch := cfg.Watch
	cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
		boom("Watch")
		stop := watch(c, w)
		return func() bool {
			boom("Watch's stop")
			return stop()
		}
	}
	cfg.Healthy = func(*conn) bool { boom("Healthy"); return true }
	cfg.Peer = func(*conn) string { boom("Peer"); return "" }
	cfg.Sequence = func(*conn) uint64 { boom("Sequence"); return 0 }
	cfg.Lent = func(*conn, poolkit.Lease[*conn]) { boom("Lent") }
	if callback == "Check" {
		cfg.Check = func(context.Context, *conn) error { boom("Check"); return nil }
		cfg.CheckInterval = 300 * time.Millisecond
	}
	cfg.Hooks = poolkit.Hooks{
		Joined:  func(poolkit.ID, int) { boom("Hooks.Joined") },
		Left:    func(poolkit.ID, int, poolkit.Reason) { boom("Hooks.Left") },
		Resized: func(int, int) { boom("Hooks.Resized") },
		Failed: func(_ int, err error) {
			if panicked := (*poolkit.PanicError)(nil); errors.As(err, &panicked) {
				panics.add(err)
			}
			boom("Hooks.Failed")
		},
	}
	cfg.MinCapacity, cfg.MaxCapacity = 1, 3
	cfg.Sizing = policy(func(o sizing.Observation) sizing.Decision {
		boom("Step")
		return sizing.Decision{Target: o.MinCapacity, Wait: time.Second, Settled: true}
	})
	p := open(t, w, cfg)
	ready(t, p)
	on.Store(true)
	for i := range 6 {
		aside(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if l, err := p.Acquire(ctx); err == nil {
				if i%2 == 0 {
					l.Release()
				} else {
					l.Discard()
				}
			}
		})
		ps.offer(&offer{})
		ps.offer(&offer{shard: -1})
		aside(func() { p.Resize(i%2+1, 3) })
		after(time.Second)
	}
	if callback == "Hooks.Failed" {
		w.breaks(always(errRefused))
		p.Flush()
		after(time.Second)
		w.breaks(nil)
	}
	on.Store(false)
	after(5 * time.Second)
	ready(t, p)
	l := acquire(t, p)
	l.Release()
	all := panics.list()
	if callback == "Hooks.Failed" {
		return // whose panics are reported to nobody
	}
	if len(all) == 0 || !strings.HasSuffix(all[0].Error(), callback+report) {
		t.Errorf("reported %v, want %s%s", all, callback, report)
	}
}

// aside runs f on a goroutine of its own, which f may end, and waits for it.
func aside(f func()) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		f()
	}()
	<-over
}

type panicAcceptor struct {
	*peers
	boom func(string)
}

func (a panicAcceptor) Accept(ctx context.Context) (poolkit.Offer[*conn], error) {
	o, err := a.peers.Accept(ctx)
	if err == nil {
		a.boom("Accept")
	}
	return panicOffer{o, a.boom}, err
}

type panicOffer struct {
	poolkit.Offer[*conn]
	boom func(string)
}

func (o panicOffer) Shard() int {
	o.boom("Shard")
	return o.Offer.Shard()
}

func (o panicOffer) Admit(ctx context.Context, id poolkit.ID) (*conn, error) {
	o.boom("Admit")
	return o.Offer.Admit(ctx, id)
}

func (o panicOffer) Refuse() {
	o.Offer.Refuse()
	o.boom("Refuse")
}

func TestAPanicOfClosedIsTheErrorOfClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Closed = func() error { panic("no") }
		p, err := poolkit.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var panicked *poolkit.PanicError
		if err := p.Close(); !errors.As(err, &panicked) || panicked.Callback != "Closed" || len(panicked.Stack) == 0 {
			t.Errorf("Close returned %v, want the panic", err)
		}
	})
}

func TestAPolicyThatEndsItsGoroutineIsAskedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		var steps atomic.Int32
		cfg.Sizing = policy(func(sizing.Observation) sizing.Decision {
			if n := steps.Add(1); n == 2 || n == 4 {
				runtime.Goexit()
			}
			return sizing.Decision{Target: 1, Wait: time.Second}
		})
		open(t, w, cfg)
		after(time.Minute)
		if n := steps.Load(); n < 50 || n > 60 {
			t.Errorf("%d steps in a minute, want one a second but for two pauses of 2 s", n)
		}
	})
}

func TestCloseIsOverEvenIfClosedEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Closed = func() error { runtime.Goexit(); return nil }
		p, err := poolkit.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		aside(func() { p.Close() })
		var panicked *poolkit.PanicError
		if err := p.Close(); !errors.As(err, &panicked) || panicked.Callback != "Closed" {
			t.Errorf("the second Close returned %v, want what happened to the first", err)
		}
	})
}

func TestNewReportsWhatIsWrong(t *testing.T) {
	w := &world{}
	for want, change := range map[string]func(*poolkit.Config[*conn]){
		"poolkit: Config.Shut is not set: the pool must know how to end a member": func(c *poolkit.Config[*conn]) { c.Shut = nil },
		"poolkit: neither Config.Dialer nor Config.Acceptor is set: the pool has no source of members": func(c *poolkit.Config[*conn]) {
			c.Dialer = nil
		},
		"poolkit: Config.MinCapacity is negative (-1)":                                                   func(c *poolkit.Config[*conn]) { c.MinCapacity = -1 },
		"poolkit: Config.MaxDialing is negative (-5)":                                                    func(c *poolkit.Config[*conn]) { c.MaxDialing = -5 },
		"poolkit: Config.Spread is negative (-2)":                                                        func(c *poolkit.Config[*conn]) { c.Spread = -2 },
		"poolkit: Config.MaxUses is negative (-1)":                                                       func(c *poolkit.Config[*conn]) { c.MaxUses = -1 },
		"poolkit: Config.MaxAge is negative (-1s)":                                                       func(c *poolkit.Config[*conn]) { c.MaxAge = -time.Second },
		"poolkit: Config.MaxIdle is negative (-1s)":                                                      func(c *poolkit.Config[*conn]) { c.MaxIdle = -time.Second },
		"poolkit: Config.CheckTimeout is negative (-1s)":                                                 func(c *poolkit.Config[*conn]) { c.CheckTimeout = -time.Second },
		"poolkit: Config.CheckInterval is set without Config.Check: there is nothing to do at intervals": func(c *poolkit.Config[*conn]) { c.CheckInterval = time.Second },
		"poolkit: Config.CheckTimeout is set without Config.Check: there is nothing to bound":            func(c *poolkit.Config[*conn]) { c.CheckTimeout = time.Second },
		"poolkit: Config.MaxUses is 2 with Config.SingleUse, where a member serves one lease":            func(c *poolkit.Config[*conn]) { c.SingleUse, c.MaxUses = true, 2 },
		"poolkit: Config.MaxIdle is set without Config.Dialer: what a peer has opened is the peer's to renew": func(c *poolkit.Config[*conn]) {
			c.Dialer, c.Acceptor, c.MaxIdle = nil, newPeers(w), time.Second
		},
		"poolkit: Config.MaxCapacity is 7, but 3 shards of 2 places have room for 6: raise Places or MaxShards, or lower MaxCapacity": func(c *poolkit.Config[*conn]) {
			c.MinCapacity, c.MaxCapacity, c.Places, c.MaxShards = 1, 7, 2, 3
		},
		"poolkit: Step panicked: no": func(c *poolkit.Config[*conn]) {
			c.Sizing = policy(func(sizing.Observation) sizing.Decision { panic("no") })
		},
	} {
		cfg := w.config(1)
		change(&cfg)
		if _, err := poolkit.New(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// The classic: an error that is not nil, but holds a nil pointer.
func TestAnErrorThatPanicsWhenLookedIntoIsContained(t *testing.T) {
	var bad *net.OpError
	bubble(t, func(t *testing.T) {
		w := &world{}
		w.breaks(always(bad))
		p := open(t, w, w.config(1))
		synctest.Wait()
		var panicked *poolkit.PanicError
		if err := p.Stats().LastError; !errors.As(err, &panicked) || panicked.Callback != "Dial" {
			t.Errorf("%v", err)
		}
	})
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		p := open(t, w, cfg)
		ps.offer(&offer{err: bad})
		var panicked *poolkit.PanicError
		if err := p.Stats().LastError; !errors.As(err, &panicked) || panicked.Callback != "Admit" {
			t.Errorf("%v", err)
		}
	})
}
