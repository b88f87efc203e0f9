package poolkit_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// mayflies is a pool of n members, each of which takes 10 ms to make and, while
// doomed is set, ends after a life.
func mayflies(t *testing.T, n int, life time.Duration) (p *poolkit.Pool[*int], dials *atomic.Int64, doomed *atomic.Bool) {
	t.Helper()
	dials, doomed = new(atomic.Int64), new(atomic.Bool)
	doomed.Store(true)
	p, err := poolkit.New(poolkit.Config[*int]{
		Dialer: poolkit.DialerFunc[*int](func(context.Context, int) (poolkit.ID, *int, error) {
			dials.Add(1)
			time.Sleep(10 * time.Millisecond)
			return poolkit.RandomID(), new(int), nil
		}),
		Shut: func(*int) error { return nil },
		Watch: func(_ *int, w poolkit.Watcher) func() bool {
			if !doomed.Load() {
				return func() bool { return true }
			}
			return time.AfterFunc(life, w.Gone).Stop
		},
		MinCapacity: n,
		MaxCapacity: n,
		Sizing:      sizing.Fixed(n),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, dials, doomed
}

func TestAPeerThatEndsEveryMemberSoonIsDialledAtThePaceOfFailures(t *testing.T) {
	for _, life := range []time.Duration{time.Nanosecond, time.Millisecond, 100 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			_, dials, _ := mayflies(t, 8, life)
			time.Sleep(time.Minute)
			synctest.Wait()
			first := dials.Load()
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := dials.Load() - first; n > 8*60 {
				t.Errorf("members that live %v: %d dials in the second minute", life, n)
			}
		})
	}
}

func TestAPoolIsFullASecondAfterItsMembersLastAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, doomed := mayflies(t, 8, time.Millisecond)
		time.Sleep(time.Minute)
		doomed.Store(false)
		begun := time.Now()
		if err := p.WaitReady(t.Context(), 8); err != nil {
			t.Fatal(err)
		}
		// The longest pause, a member's proof, and two dials.
		if took := time.Since(begun); took > 2500*time.Millisecond+time.Second+20*time.Millisecond {
			t.Errorf("full after %v", took)
		}
		if last := p.Stats().LastError; last != nil {
			time.Sleep(time.Second)
			synctest.Wait()
			if last = p.Stats().LastError; last != nil {
				t.Errorf("the latest failure is still %v", last)
			}
		}
	})
}

func TestMembersThatEndTogetherSoonAfterTheyWereMadeAreReplacedWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, doomed := mayflies(t, 64, 100*time.Millisecond)
		time.Sleep(50 * time.Millisecond)
		doomed.Store(false) // these 64 end, the next do not
		time.Sleep(100 * time.Millisecond)
		begun := time.Now()
		if err := p.WaitReady(t.Context(), 64); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 200*time.Millisecond {
			t.Errorf("replaced after %v", took)
		}
	})
}

// seen adds to a watch what is to happen when it starts.
func seen(cfg poolkit.Config[*conn], then func(*conn)) poolkit.Config[*conn] {
	watch := cfg.Watch
	cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
		stop := watch(c, w)
		then(c)
		return stop
	}
	return cfg
}

// One old member lives; whatever is dialled after it ends as soon as it has arrived.
func TestAnOldMemberProvesNothingAboutNewOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Millisecond}
		cfg := seen(watched(w.config(1)), func(c *conn) {
			if c.id != number(1) {
				time.AfterFunc(time.Microsecond, c.end)
			}
		})
		p := open(t, w, cfg)
		after(10 * time.Second)
		p.Resize(2, 2)
		after(10 * time.Second)
		if s := p.Stats(); s.Created > 30 || s.LastError == nil {
			t.Errorf("%d dials in 10 s of a peer that ends whatever is opened; last error %v", s.Created-1, s.LastError)
		}
	})
}

// The longest idle member is one that the peer has opened.
func TestAMemberThatThePeerOpenedDoesNotKeepUpTheDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 100 * time.Millisecond}
		ps := newPeers(w)
		const theirs = 63
		var doomed atomic.Bool
		doomed.Store(true)
		cfg := seen(watched(w.config(8)), func(c *conn) {
			if doomed.Load() && c.shard != theirs {
				time.AfterFunc(time.Microsecond, c.end)
			}
		})
		cfg.Acceptor = ps
		p := open(t, w, cfg)
		ps.offer(&offer{shard: theirs})
		after(30 * time.Second)
		doomed.Store(false)
		after(time.Minute)
		if s := p.Stats(); s.Idle != 8 || s.LastError != nil {
			t.Errorf("a minute after all is well again: %d idle, last error %v", s.Idle, s.LastError)
		}
		p.Flush()
		begun := time.Now()
		ready(t, p)
		if took := time.Since(begun); took != w.delay {
			t.Errorf("the pool is full again after %v: it dials one at a time", took)
		}
	})
}

func TestAPeerThatAnnouncesEveryEndAtOnceIsDialledAtThePaceOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Millisecond}
		cfg := seen(watched(w.config(2)), func(c *conn) {
			time.AfterFunc(time.Microsecond, c.watcher.Leaving)
			time.AfterFunc(time.Second, c.end)
		})
		p := open(t, w, cfg)
		after(10 * time.Second)
		if s := p.Stats(); w.dialled() > 30 || s.Failed != 0 {
			t.Errorf("%d dials in 10 s, %d failures", w.dialled(), s.Failed)
		}
	})
}
