package poolkit_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

var errRefused = errors.New("connection refused")

func always(err error) func(int) error { return func(int) error { return err } }

func TestDialsRunTogetherButNoMoreThanAllowed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(20)
		cfg.MaxDialing = 4
		p := open(t, w, cfg)
		begun := time.Now()
		ready(t, p)
		if got := time.Since(begun); got != 5*time.Second || w.most != 4 {
			t.Errorf("20 members took %v with %d dials at once, want 5s with 4", got, w.most)
		}
	})
}

func TestHeldMembersAreReplacedOnFurtherShardsUntilEveryPlaceIsHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		cfg.Places, cfg.MaxShards = 3, 4
		p := open(t, w, cfg)
		for range 12 {
			acquire(t, p)
		}
		expect(t, p, "with every place held", 0, 12, 0, 0)
		if s := p.Stats(); s.Shards != 4 {
			t.Errorf("%d shards are in use, want 4", s.Shards)
		}
		if _, ok := p.TryAcquire(); ok {
			t.Error("a thirteenth member was lent by a pool with 12 places")
		}
	})
}

func TestAFailingShardRestsWhileOthersGoOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		w.breaks(func(shard int) error {
			if shard == 0 {
				return errRefused
			}
			return nil
		})
		cfg := w.config(4)
		cfg.MaxDialing = 1
		cfg.SingleUse = true
		p := open(t, w, cfg)
		begun := time.Now()
		for time.Since(begun) < 20*time.Second {
			l := acquire(t, p)
			if l.Shard() == 0 {
				t.Fatal("a member came from the shard that fails")
			}
			l.Release()
			after(50 * time.Millisecond)
		}
		failures := 0
		for _, shard := range w.shards {
			if shard == 0 {
				failures++
			}
		}
		if failures > 20 {
			t.Errorf("the failing shard was dialled %d times in 20 s, want it to rest up to 2 s", failures)
		}
	})
}

func TestShardsThatFailDoNotKeepTheProbeFromThoseThatWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		w.breaks(func(shard int) error {
			if shard < 4 {
				return errRefused
			}
			return nil
		})
		p := open(t, w, w.config(10))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := p.WaitReady(ctx, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestInAnOutageThePoolProbesOnceInAWhileAndRecoversSoon(t *testing.T) {
	for _, shards := range []int{1, 64} {
		bubble(t, func(t *testing.T) {
			w := &world{delay: 10 * time.Millisecond}
			cfg := w.config(50)
			cfg.MaxShards = shards
			p := open(t, w, cfg)
			ready(t, p)
			p.Flush()
			w.breaks(always(errRefused))
			results := make(chan got, 1)
			after(2 * time.Second)
			p.Flush() // what arrived before the outage
			after(time.Second)

			w.mu.Lock()
			w.most = 0
			before := len(w.dials)
			w.mu.Unlock()
			call(results, 0, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
			after(30 * time.Second)
			if n := w.dialled() - before; n > 90 || n < 10 || w.most != 1 {
				t.Errorf("on %d shards: %d attempts in 30 s, %d at once; want 10 to 90, one at a time", shards, n, w.most)
			}
			w.breaks(nil)
			healed := time.Now()
			if r := <-results; r.err != nil {
				t.Error(r.err)
			}
			ready(t, p)
			if got := time.Since(healed); got > 3500*time.Millisecond {
				t.Errorf("on %d shards: recovered after %v, want 3.5 s at most", shards, got)
			}
			if err := p.Stats().LastError; err != nil {
				t.Errorf("after recovery the last error is still %v", err)
			}
		})
	}
}

func TestAPermanentErrorIsToldAtOnceUntilAMemberArrives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		bad := errors.New("bad certificate")
		w.breaks(always(poolkit.Permanent(bad)))
		p := open(t, w, w.config(2))
		begun := time.Now()
		results := make(chan got, 3)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		call(results, 1, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), number(9)) })
		call(results, 2, func() (poolkit.Lease[*conn], error) {
			return poolkit.Lease[*conn]{}, p.WaitReady(t.Context(), 0)
		})
		for range 3 {
			if r := <-results; !errors.Is(r.err, bad) || !poolkit.IsPermanent(r.err) {
				t.Errorf("caller %d was told %v, want the permanent error", r.caller, r.err)
			}
		}
		if got := time.Since(begun); got != time.Second {
			t.Errorf("told after %v, want with the first dial, after 1s", got)
		}
		if _, err := p.Acquire(t.Context()); !errors.Is(err, bad) || time.Since(begun) != time.Second {
			t.Errorf("a later caller was told %v after %v, want the same at once", err, time.Since(begun))
		}
		w.breaks(nil)
		after(4 * time.Second)
		if _, err := p.Acquire(t.Context()); err != nil {
			t.Errorf("after recovery: %v", err)
		}
	})
}

func TestCallersWhoAreToldTheSameShareAnErrorUnlessTheyWantACertainMember(t *testing.T) {
	for name, end := range map[string]func(*world, *poolkit.Pool[*conn]){
		"a permanent failure": func(w *world, _ *poolkit.Pool[*conn]) { w.breaks(always(poolkit.Permanent(errRefused))) },
		"the end of the pool": func(_ *world, p *poolkit.Pool[*conn]) { _ = p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := &world{delay: time.Second}
				w.breaks(always(errRefused))
				p := open(t, w, w.config(2))
				results := make(chan got, 3)
				for caller := range 2 {
					call(results, caller, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
				}
				call(results, 2, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), number(9)) })
				synctest.Wait()
				end(w, p)
				var errs [3]*poolkit.AcquireError
				for range errs {
					r := <-results
					if !errors.As(r.err, &errs[r.caller]) {
						t.Fatalf("caller %d was told %v", r.caller, r.err)
					}
				}
				if errs[0] != errs[1] || errs[0].ByID {
					t.Errorf("who wanted any were told %v and %v, want the same", errs[0], errs[1])
				}
				if !errs[2].ByID || errs[2].ID != number(9) || !errors.Is(errs[2], errs[0].Err) {
					t.Errorf("who wanted member 9 was told %v", errs[2])
				}
			})
		})
	}
}

func TestAFullShardIsNoFailureAndIsTriedAgainLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		grants := 2
		var p *poolkit.Pool[*conn]
		w.breaks(func(shard int) error {
			n := 0
			for _, c := range w.members() {
				if c.shard == shard && c.shut.Load() == 0 {
					n++
				}
			}
			if n >= grants {
				return poolkit.ErrShardFull
			}
			return nil
		})
		cfg := w.config(6)
		cfg.MaxDialing = 1
		p = open(t, w, cfg)
		ready(t, p)
		if s := p.Stats(); s.Shards != 3 || s.Failed != 0 || s.LastError != nil {
			t.Errorf("6 members, two a shard: %d shards, %d failures (%v); want 3, 0", s.Shards, s.Failed, s.LastError)
		}
		if n := w.dialled(); n != 8 {
			t.Errorf("%d dials, want 6 and one vain one for each of two full shards", n)
		}
		w.breaks(nil)
		l := acquire(t, p)
		synctest.Wait()
		if got := w.shards[len(w.shards)-1]; got == 0 {
			t.Errorf("a full shard was dialled again at once")
		}
		l.Release()
		after(10 * time.Second)
		acquire(t, p)
		acquire(t, p)
		synctest.Wait()
		if got := w.shards[len(w.shards)-1]; got != 0 {
			t.Errorf("ten seconds later shard %d was dialled, want 0 again", got)
		}
	})
}

func TestADialerThatReturnsNothingHasFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Dialer = poolkit.DialerFunc[*conn](func(context.Context, int) (poolkit.ID, *conn, error) {
			return poolkit.ID{}, nil, nil
		})
		p := open(t, w, cfg)
		after(time.Second)
		if s := p.Stats(); s.Created != 0 || s.Failed == 0 || s.LastError == nil {
			t.Errorf("%+v, want failures", s)
		}
	})
}

func TestAMemberWithTheIDOfAnotherIsTurnedAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		var failures notes[error]
		cfg.Hooks.Failed = func(_ int, err error) { failures.add(err) }
		var differ atomic.Bool
		cfg.Dialer = poolkit.DialerFunc[*conn](func(context.Context, int) (poolkit.ID, *conn, error) {
			c := w.make(0)
			if !differ.Load() {
				return number(1), c, nil
			}
			return c.id, c, nil
		})
		cfg.MaxDialing = 1
		p := open(t, w, cfg)
		after(50 * time.Millisecond)
		expect(t, p, "with two of the same ID", 1, 0, 0, 0)
		if failed := failures.list(); len(failed) == 0 || !errors.Is(failed[0], poolkit.ErrDuplicateID) {
			t.Errorf("failures %v, want duplicates", failed)
		}
		differ.Store(true)
		ready(t, p)
	})
}

func TestMembersThatEndWhileIdleLeaveAndAreReplacedBeforeTheyAreShut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := watched(w.config(3))
		var leaving notes[poolkit.Reason]
		cfg.Hooks.Left = func(_ poolkit.ID, _ int, why poolkit.Reason) { leaving.add(why) }
		cfg.Shut = func(c *conn) error {
			time.Sleep(time.Minute)
			return shutConn(c)
		}
		p := open(t, w, cfg)
		ready(t, p)
		dead := w.members()[1]
		dead.end()
		dead.watcher.Gone() // again, which changes nothing
		synctest.Wait()
		expect(t, p, "after a death", 2, 0, 1, 0)
		after(time.Second)
		expect(t, p, "a dial later", 3, 0, 0, 0)
		for range 3 {
			if l := acquire(t, p); l.Conn() == dead {
				t.Error("the dead member was lent")
			}
		}
		after(time.Minute)
		if left := leaving.list(); !slices.Equal(left, []poolkit.Reason{poolkit.Gone}) {
			t.Errorf("left: %v, want one that is gone", left)
		}
	})
}

func TestAMemberThatEndsWhileItArrivesIsNeverLent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := watched(w.config(1))
		watch := cfg.Watch
		var second atomic.Bool
		cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
			stop := watch(c, w)
			if !second.Swap(true) {
				c.end()
			}
			return stop
		}
		p := open(t, w, cfg)
		if l := acquire(t, p); l.Conn().ended.Load() {
			t.Errorf("got %v, which had ended", l.ID())
		}
		synctest.Wait()
		if s := p.Stats(); s.Failed != 1 {
			t.Errorf("%d failures, want 1", s.Failed)
		}
	})
}

func TestAPeerThatEndsEverythingAtOnceIsNotDialledWithoutPause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		var deaf atomic.Bool
		deaf.Store(true)
		cfg.Healthy = func(*conn) bool { return !deaf.Load() }
		p := open(t, w, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
		if n := w.dialled(); n > 100 {
			t.Errorf("%d dials in 30 s", n)
		}
		deaf.Store(false)
		after(2500 * time.Millisecond)
		acquire(t, p)
		if s := p.Stats(); s.LastError != nil {
			t.Errorf("after recovery the last error is %v", s.LastError)
		}
	})
}

func TestAPermanentErrorEndsInAPoolThatKeepsNothingReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(0)
		cfg.MaxCapacity = 1
		p := open(t, w, cfg)
		w.breaks(always(poolkit.Permanent(errRefused)))
		for range 1000 {
			if _, err := p.Acquire(t.Context()); !errors.Is(err, errRefused) {
				t.Fatal(err)
			}
			after(10 * time.Millisecond)
		}
		if n := w.dialled(); n < 4 || n > 8 {
			t.Errorf("%d dials in ten seconds in which callers came, want one in about two", n)
		}
		before := w.dialled()
		after(time.Hour)
		if n := w.dialled() - before; n > 1 {
			t.Errorf("%d dials in an hour in which nobody came, want one at most", n)
		}
		w.breaks(nil)
		_, _ = p.Acquire(t.Context()) // is told the old error, and has it tried again
		synctest.Wait()
		acquire(t, p)
	})
}

func TestCallersWhoWouldRatherKnowThanWaitAreToldOfAFailureAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 10 * time.Millisecond}
		cfg := w.config(1)
		cfg.FailFast, cfg.MaxShards = true, 1
		p := open(t, w, cfg)
		ready(t, p)
		w.breaks(always(errRefused))
		held := acquire(t, p) // its replacement cannot be made
		const callers = 100
		results := make(chan got, callers)
		for i := range callers {
			call(results, i, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		}
		begun := time.Now()
		for range callers {
			if r := <-results; !errors.Is(r.err, errRefused) {
				t.Fatalf("%v", r.err)
			}
		}
		if took := time.Since(begun); took != w.delay {
			t.Errorf("they were told after %v, want %v: when the dial had failed", took, w.delay)
		}
		begun = time.Now()
		_, err := p.Acquire(t.Context())
		if !errors.Is(err, errRefused) || time.Since(begun) > 0 {
			t.Errorf("who comes before the next attempt is told %v, after %v", err, time.Since(begun))
		}
		waits := make(chan error, 2)
		go func() { waits <- p.WaitReady(t.Context(), 1) }()
		go func() {
			l, err := p.AcquireID(t.Context(), held.ID())
			if err == nil {
				l.Release()
			}
			waits <- err
		}()
		after(time.Minute)
		w.breaks(nil)
		held.Release()
		for range 2 {
			if err := <-waits; err != nil {
				t.Errorf("who waits for a certain member, or for the pool to be ready, is told %v", err)
			}
		}
	})
}

// The first who comes after a pause finds out whether it is over.
func TestAPoolThatKeepsNothingReadyRecoversThoughNobodyWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 10 * time.Millisecond}
		cfg := w.config(0)
		cfg.MaxCapacity, cfg.FailFast = 1, true
		w.breaks(always(errRefused))
		p := open(t, w, cfg)
		for range 20 {
			if _, err := p.Acquire(t.Context()); !errors.Is(err, errRefused) {
				t.Fatal(err)
			}
			after(500 * time.Millisecond)
		}
		if n := w.dialled(); n < 5 || n > 25 {
			t.Errorf("%d dials in ten seconds", n)
		}
		w.breaks(nil)
		for range 10 {
			l, err := p.Acquire(t.Context())
			if err == nil {
				l.Release()
				return
			}
			after(500 * time.Millisecond)
		}
		t.Error("five seconds after it has ended, callers are told of the failure still")
	})
}
