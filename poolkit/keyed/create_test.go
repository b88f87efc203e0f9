package keyed_test

import (
	"context"
	"errors"
	"math"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
	"github.com/vistone/poolkit/sizing"
)

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	good := newWorld().config(1, 1)
	for _, c := range []struct {
		what  string
		spoil func(*keyed.Config[string, *conn])
		want  string
	}{
		{"no Pool", func(c *keyed.Config[string, *conn]) { c.Pool = nil }, "Config.Pool is not set"},
		{"no Budget", func(c *keyed.Config[string, *conn]) { c.Budget = 0 }, "a budget of 0"},
		{"a negative Budget", func(c *keyed.Config[string, *conn]) { c.Budget = -3 }, "a budget of -3"},
		{"a negative MaxIdle", func(c *keyed.Config[string, *conn]) { c.MaxIdle = -time.Second }, "Config.MaxIdle is negative (-1s)"},
	} {
		cfg := good
		c.spoil(&cfg)
		if _, err := keyed.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

func TestAThousandCallersOfANewKeyMakeOnePool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.dialTakes = 10 * time.Millisecond
		cfg := w.config(50, 1)
		let := madeLate(&cfg)
		p := open(t, w, cfg)
		var all sync.WaitGroup
		var served atomic.Int32
		for range 1000 {
			all.Go(func() {
				l, err := p.Acquire(t.Context(), "new")
				if err != nil {
					t.Error(err)
					return
				}
				served.Add(1)
				time.Sleep(time.Millisecond)
				l.Release()
			})
		}
		synctest.Wait()
		close(let)
		all.Wait()
		if n := w.poolsOf("new"); n != 1 || served.Load() != 1000 {
			t.Errorf("%d pools were made and %d callers served, want one and all", n, served.Load())
		}
	})
}

func TestWhyAKeyHasNoPoolIsToldAndNotKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 1)
		inner := cfg.Pool
		var fail func() error
		let := make(chan struct{})
		cfg.Pool = func(key string) (poolkit.Config[*conn], error) {
			if fail == nil {
				return inner(key)
			}
			<-let
			if err := fail(); err != nil {
				return poolkit.Config[*conn]{}, err
			}
			c, err := inner(key)
			c.Budget = poolkit.NewBudget(1)
			return c, err
		}
		var failed []string
		cfg.Hooks.Failed = func(key string, err error) { failed = append(failed, key+": "+err.Error()) }
		p := open(t, w, cfg)
		var panicked *poolkit.PanicError
		for _, c := range []struct {
			what string
			fail func() error
			want func(error) bool
		}{
			{"an error", func() error { return errRefused }, func(err error) bool { return errors.Is(err, errRefused) }},
			{"a panic", func() error { panic("boom") }, func(err error) bool {
				return errors.As(err, &panicked) && panicked.Callback == "Config.Pool" && panicked.Value == "boom"
			}},
			{"a budget", func() error { return nil }, func(err error) bool { return strings.Contains(err.Error(), "returned a Budget") }},
		} {
			fail = c.fail
			calls := []<-chan got{call(t.Context(), p, "key"), call(t.Context(), p, "key")}
			let <- struct{}{}
			for _, r := range calls {
				var e *keyed.AcquireError
				if err := (<-r).err; err == nil || !c.want(err) || !errors.As(err, &e) || e.Key != "key" {
					t.Errorf("%s: %v", c.what, err)
				}
			}
			if len(failed) == 0 || !strings.HasPrefix(failed[len(failed)-1], "key: ") {
				t.Errorf("%s: the hook was told %q", c.what, failed)
			}
			fail = nil
			acquire(t, p, "key").Release()
			p.Remove("key")
			synctest.Wait()
		}
		if len(failed) != 3 {
			t.Errorf("the hook was told %d times of three failures: %q", len(failed), failed)
		}
	})
}

func TestAConfigOfAKeyThatCannotWorkIsToldToItsCaller(t *testing.T) {
	p, err := keyed.New(keyed.Config[int, int]{
		Pool:   func(int) (poolkit.Config[int], error) { return poolkit.Config[int]{}, nil },
		Budget: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = p.Acquire(t.Context(), 7)
	if want := "keyed: key 7: make its pool: poolkit: Config.Shut is not set"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestAPoolFunctionThatEndsItsGoroutineLeavesNobodyWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 1)
		inner, let, exit := cfg.Pool, make(chan struct{}), true
		cfg.Pool = func(key string) (poolkit.Config[*conn], error) {
			if exit {
				<-let
				runtime.Goexit()
			}
			return inner(key)
		}
		p := open(t, w, cfg)
		_, second := call(t.Context(), p, "key"), call(t.Context(), p, "key")
		close(let)
		if err := (<-second).err; err == nil || !strings.Contains(err.Error(), "Config.Pool did not return") {
			t.Errorf("whoever waited for the pool was told %v", err)
		}
		exit = false
		acquire(t, p, "key").Release()
	})
}

func TestWhoeverWaitsForAPoolToBeMadeMayGiveUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 1)
		let := madeLate(&cfg)
		p := open(t, w, cfg)
		first := call(t.Context(), p, "key")
		cause := errors.New("no patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		_, err := p.Acquire(ctx, "key")
		var timeout net.Error
		if !errors.Is(err, cause) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v, want the cause, and a timeout", err)
		}
		if _, ok := p.TryAcquire("key"); ok {
			t.Error("a pool that is being made lent something")
		}
		close(let)
		arrived(t, "whoever had the patience", first).Release()
	})
}

func TestAKeyThatNoMapCanKeepIsRefused(t *testing.T) {
	p, err := keyed.New(keyed.Config[any, *int]{
		Pool:   func(any) (poolkit.Config[*int], error) { return plain(1), nil },
		Budget: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Acquire(t.Context(), math.NaN()); err == nil || !strings.Contains(err.Error(), "not equal to itself") {
		t.Errorf("a NaN: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a key that cannot be hashed did not panic")
			}
		}()
		_, _ = p.Acquire(t.Context(), []int{1})
	}()
	l, err := p.Acquire(t.Context(), "a good one") // the mutex is free
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
}

func TestToTryOrToLookMakesNoPool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(5, 1))
		if _, ok := p.TryAcquire("a"); ok {
			t.Error("an unknown key lent something")
		}
		if _, ok := p.StatsOf("a"); ok {
			t.Error("an unknown key has a state")
		}
		p.Flush("a")
		if p.Remove("a") {
			t.Error("an unknown key was removed")
		}
		if n := w.poolsOf("a"); n != 0 {
			t.Errorf("%d pools were made", n)
		}
		if err := p.WaitReady(t.Context(), "a", 1); err != nil {
			t.Fatal(err)
		}
		l, ok := p.TryAcquire("a")
		if !ok {
			t.Fatal("a key that is ready lent nothing")
		}
		byID, err := p.AcquireID(t.Context(), "a", poolkit.ID{3: 1})
		if err != nil || byID.ID() != (poolkit.ID{3: 1}) {
			t.Errorf("AcquireID: %v, %v", byID.ID(), err)
		}
		l.Release()
		byID.Release()
		synctest.Wait()
		before, _ := p.StatsOf("a")
		p.Flush("a")
		synctest.Wait()
		if s, ok := p.StatsOf("a"); !ok || s.Created != before.Created+1 || s.Idle != 1 {
			t.Errorf("after a flush: %+v, want one new member idle", s)
		}
	})
}

func TestWhoeverWaitsForAnIDOfANewKeyGetsItWhenItComes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.dialTakes = time.Second
		p := open(t, w, w.config(5, 1))
		l, err := p.AcquireID(t.Context(), "a", poolkit.ID{})
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var e *poolkit.AcquireError
		if _, err := p.AcquireID(ctx, "b", poolkit.ID{9}); !errors.As(err, &e) || !e.ByID {
			t.Errorf("%v, want the error of the key's pool", err)
		}
	})
}

func TestARemovedKeyGetsANewPoolAndItsCallersMoveOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 0)
		each(&cfg, func(_ string, c *poolkit.Config[*conn]) {
			c.Places, c.MaxShards = 1, 1
		})
		var closed []string
		cfg.Hooks.Closed = func(key string, err error) {
			closed = append(closed, key)
			if err != nil {
				t.Error(err)
			}
		}
		p := open(t, w, cfg)
		old := acquire(t, p, "a")
		waiting := call(t.Context(), p, "a")
		waits(t, "with the key's only place on loan", waiting)
		if !p.Remove("a") {
			t.Fatal("not removed")
		}
		l := arrived(t, "when the key was removed", waiting)
		if l.Conn() == old.Conn() || w.poolsOf("a") != 2 || old.Conn().shut.Load() != 0 {
			t.Error("the caller did not move on to a new pool, or the old lease was ended")
		}
		if len(closed) != 0 {
			t.Error("the old pool is closed though a member is on loan")
		}
		old.Release()
		synctest.Wait()
		if old.Conn().shut.Load() != 1 || len(closed) != 1 {
			t.Errorf("the old pool's last member came back, and it was not closed: %v", closed)
		}
		l.Release()
	})
}

func TestAKeyMayBeRemovedWhileItsPoolIsMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 1)
		let := madeLate(&cfg)
		p := open(t, w, cfg)
		first, second := call(t.Context(), p, "a"), call(t.Context(), p, "a")
		if !p.Remove("a") || p.Remove("a") {
			t.Error("a key whose pool is being made is to be removed, once")
		}
		let <- struct{}{} // the pool that nobody wants any more
		synctest.Wait()
		close(let)
		arrived(t, "who made the pool", first).Release()
		arrived(t, "who waited for it", second).Release()
		if n := w.poolsOf("a"); n != 2 {
			t.Errorf("%d pools were made, want two", n)
		}
	})
}

func TestAKeyWithAPermanentErrorHarmsNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.dialTakes = 20 * time.Millisecond
		p := open(t, w, w.config(4, 1))
		bad := errors.New("bad certificate")
		w.breaks("bad", poolkit.Permanent(bad))
		visit(t, p, "a", "a", "b", "b")
		begun := time.Now()
		for range 100 {
			if _, err := p.Acquire(t.Context(), "bad"); !errors.Is(err, bad) {
				t.Fatal(err)
			}
		}
		if d := time.Since(begun); d > 100*time.Millisecond {
			t.Errorf("a hundred callers of the bad key waited %v, want to be told at once", d)
		}
		before := w.dialled()
		for range 600 {
			after(100 * time.Millisecond)
			for _, key := range []string{"a", "b"} {
				l, ok := p.TryAcquire(key)
				if !ok {
					t.Fatal("a good key has nothing idle")
				}
				l.Release()
			}
		}
		if n := w.dialled() - before; n > 60 {
			t.Errorf("%d dials in a minute, most of them of the bad key; want no more than one in two seconds", n)
		}
		w.breaks("bad", nil)
		after(5 * time.Second)
		acquire(t, p, "bad").Release()
	})
}

func TestHooksAreToldAndMayPanicOrCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(10, 1)
		var p *pool
		var mu sync.Mutex
		var told []string
		note := func(s string) {
			mu.Lock()
			told = append(told, s)
			mu.Unlock()
			p.Stats()
			p.TryAcquire("none")
			for range p.All() {
				continue
			}
			panic("a hook")
		}
		cfg.Hooks = keyed.Hooks[string]{
			Opened: func(key string) { note("opened " + key) },
			Closed: func(key string, _ error) { note("closed " + key) },
			Failed: func(key string, err error) { note(key + ": " + err.Error()) },
		}
		p = open(t, w, cfg)
		visit(t, p, "a", "b")
		p.Remove("b")
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		want := "opened a; a: Hooks.Opened panicked: a hook; opened b; b: Hooks.Opened panicked: a hook; closed b; b: Hooks.Closed panicked: a hook"
		if got := strings.Join(told, "; "); got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
	})
}

func TestAllNamesTheKeysThatWouldBeEvictedLastFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(10, 0))
		visit(t, p, "a", "b", "c", "d", "b", "a")
		held := acquire(t, p, "c")
		var keys []string
		for key, s := range p.All() {
			keys = append(keys, key)
			if key == "c" && s.OnLoan != 1 {
				t.Errorf("the state of c is %+v, want one on loan", s)
			}
			if key == "b" {
				p.Remove("b") // is allowed
			}
		}
		if got := strings.Join(keys, " "); got != "c a b d" {
			t.Errorf("the keys are %s", got)
		}
		for range p.All() {
			break
		}
		held.Release()
	})
}

func TestWhatAKeyIsAllowedBoundsItWhateverTheBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(100, 0)
		cfg.Pool = func(key string) (poolkit.Config[*conn], error) {
			c := w.pool(key, 2)
			c.Places, c.MaxShards, c.Sizing = 3, 1, sizing.Fixed(2)
			return c, nil
		}
		p := open(t, w, cfg)
		var results []<-chan got
		for range 20 {
			results = append(results, call(t.Context(), p, "a"))
		}
		if n := w.openOf("a"); n != 3 {
			t.Errorf("a key that is allowed three has %d", n)
		}
		if s := p.Stats(); s.Waiting != 0 {
			t.Errorf("%d wait for the budget, want none: it is their key's places they wait for", s.Waiting)
		}
		for _, r := range results {
			arrived(t, "a caller", r).Release()
		}
	})
}
