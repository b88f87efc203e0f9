package poolkit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

func TestATakeOrdersItsReplacementAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		p := open(t, w, w.config(3))
		ready(t, p)
		acquire(t, p)
		synctest.Wait()
		expect(t, p, "after a take", 2, 1, 1, 0)
		after(time.Second)
		expect(t, p, "a dial later", 3, 1, 0, 0)
	})
}

func TestTheLongestIdleIsLentFirstAndTheShortestOnDemand(t *testing.T) {
	for _, newest := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			cfg := w.config(3)
			cfg.MaxDialing, cfg.NewestFirst = 1, newest
			p := open(t, w, cfg)
			ready(t, p)
			want := number(1)
			if newest {
				want = number(3)
			}
			if l := acquire(t, p); l.ID() != want {
				t.Errorf("with NewestFirst %t member %v was lent, want %v", newest, l.ID(), want)
			}
		})
	}
}

func TestWaitersAreServedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(0)
		cfg.MinCapacity, cfg.MaxCapacity, cfg.MaxDialing = 0, 1, 1
		p := open(t, w, cfg)
		results := make(chan got, 4)
		for i := range 4 {
			call(results, i, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		}
		for i := range 4 {
			r := <-results
			if r.caller != i || r.err != nil || r.lease.ID() != number(i+1) {
				t.Errorf("arrival %d went to caller %d as %v (%v)", i, r.caller, r.lease.ID(), r.err)
			}
		}
	})
}

func TestAReleasedMemberGoesStraightToTheFirstWaiter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Places, cfg.MaxShards = 1, 1
		p := open(t, w, cfg)
		l := acquire(t, p)
		results := make(chan got, 2)
		for i := range 2 {
			call(results, i, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		}
		for i := range 2 {
			l.Release()
			r := <-results
			if r.caller != i || r.lease.Conn() != l.Conn() {
				t.Errorf("the member went to caller %d, want %d", r.caller, i)
			}
			l = r.lease
		}
	})
}

func TestWhoWaitsForAnIDComesBeforeThoseWhoWaitForAny(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(0)
		cfg.MaxCapacity, cfg.MaxDialing = 1, 1
		p := open(t, w, cfg)
		results := make(chan got, 3)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		call(results, 1, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		call(results, 2, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), number(1)) })
		for i, caller := range []int{2, 0, 1} {
			if r := <-results; r.caller != caller || r.lease.ID() != number(i+1) {
				t.Errorf("arrival %d went to caller %d as %v, want caller %d", i, r.caller, r.lease.ID(), caller)
			}
		}
	})
}

func TestAcquireIDLendsThatMemberNowOrWhenItComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(4))
		ready(t, p)
		l, err := p.AcquireID(t.Context(), number(3))
		if err != nil || l.ID() != number(3) {
			t.Fatalf("got %v (%v), want %v", l.ID(), err, number(3))
		}
		if _, ok := p.TryAcquireID(number(3)); ok {
			t.Error("a member on loan was lent again")
		}
		results := make(chan got, 1)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), number(3)) })
		expect(t, p, "while one waits for an ID", 4, 1, 0, 1)
		l.Release()
		if r := <-results; r.lease.Conn() != l.Conn() {
			t.Errorf("got %v, want %v", r.lease.ID(), l.ID())
		}
	})
}

func TestACallerGivesUpExactlyAtTheDeadlineAndTheDialGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 5 * time.Second}
		p := open(t, w, w.config(1))
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := p.Acquire(ctx)
		if got := time.Since(begun); got != 3*time.Second {
			t.Errorf("gave up after %v, want 3s", got)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", err)
		}
		l := acquire(t, p)
		if got := time.Since(begun); got != 5*time.Second {
			t.Errorf("the next caller was served after %v, want 5s: the dial went on", got)
		}
		if l.ID() != number(1) && l.ID() != number(2) {
			t.Errorf("the next caller got %v, want one of the dials that were under way", l.ID())
		}
	})
}

func TestAHandOutWinsOverAnEndedContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		p := open(t, w, w.config(1))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		ready(t, p)
		if _, err := p.Acquire(ended); err != nil {
			t.Errorf("a member that stood ready was not lent: %v", err)
		}
		// The dial ends in the very moment of the deadline. Whoever wins, nothing is lost.
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			l, err := p.AcquireID(ctx, number(len(w.members())+1))
			if err == nil {
				l.Discard()
			} else if l, ok := p.TryAcquire(); ok {
				l.Discard()
			}
			cancel()
			after(3 * time.Second)
			if s := p.Stats(); s.Idle < 1 || s.OnLoan != 1 || s.Waiting != 0 {
				t.Fatalf("a member was lost: %+v", s)
			}
		}
	})
}

func TestThoseWhoGaveUpDoNotCallForMoreAndMoreMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		p := open(t, w, w.config(2))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 1000 {
			if _, err := p.Acquire(ended); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want the context's error", err)
			}
		}
		after(2 * time.Second)
		if n := w.dialled(); n > 3 {
			t.Errorf("%d dials for 2 members and a thousand who gave up at once, want at most 3", n)
		}
	})
}

func TestDeadMembersCountAsOneTakeAndOneWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(3)
		var healthy time.Time
		cfg.Healthy = func(*conn) bool { return time.Now().After(healthy) }
		p := open(t, w, cfg)
		ready(t, p)
		healthy = time.Now().Add(1500 * time.Millisecond)
		acquire(t, p)
		s := p.Stats()
		if s.Acquires != 1 || s.Waits != 1 {
			t.Errorf("one call counts as %d acquires and %d waits, want 1 and 1", s.Acquires, s.Waits)
		}
		ready(t, p)
		if l, ok := p.TryAcquire(); !ok {
			t.Error("nothing was lent by a full pool")
		} else {
			l.Release()
		}
		if _, ok := p.TryAcquireID(poolkit.ID{9}); ok {
			t.Error("a member was lent that does not exist")
		}
		if s := p.Stats(); s.Acquires != 2 {
			t.Errorf("a try that succeeds and one that does not count as %d acquires, want 1", s.Acquires-1)
		}
	})
}

func TestWhoMeetsADeadMemberDoesNotWaitUntilItIsShut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		cfg.MaxDialing = 1
		cfg.Healthy = func(c *conn) bool { return c.id != number(1) }
		cfg.Shut = func(c *conn) error {
			time.Sleep(time.Minute)
			return shutConn(c)
		}
		p := open(t, w, cfg)
		ready(t, p)
		begun := time.Now()
		l, err := p.Acquire(t.Context())
		if got := time.Since(begun); got != 0 || err != nil || l.ID() == number(1) {
			t.Errorf("got %v after %v (%v), want another member at once", l.ID(), got, err)
		}
		if p.Stats().Closing != 1 {
			t.Errorf("%d members are being shut, want 1", p.Stats().Closing)
		}
	})
}

func TestAcquireErrorsSayWhatWasWantedAndHowThePoolStood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cause := errors.New("out of patience")
		w.breaks(func(int) error { return errors.New("connection refused") })
		p := open(t, w, w.config(2))
		after(time.Second)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		_, err := p.AcquireID(ctx, number(7))
		var acquireErr *poolkit.AcquireError
		if !errors.As(err, &acquireErr) || !acquireErr.ByID || acquireErr.ID != number(7) || !acquireErr.Timeout() {
			t.Fatalf("got %#v, want an AcquireError for %v that is a timeout", err, number(7))
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) {
			t.Errorf("%v does not wrap both the deadline and its cause", err)
		}
		if s := acquireErr.Stats; s.Capacity != 2 || s.Waiting != 0 || s.Idle != 0 {
			t.Errorf("the error knows of %+v", s)
		}
		want := fmt.Sprintf("poolkit: acquire member 00000007: context deadline exceeded: out of patience"+
			" (0 idle of 2, 0 on loan, %d on their way, 0 waiting; last failure: connection refused)", acquireErr.Stats.Promised)
		if err.Error() != want {
			t.Errorf("error text\n\t%s, want\n\t%s", err, want)
		}
	})
}

func TestAnIDThatHasJustEndedFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := errors.New("nobody looks at this one")
		alive := true
		id := poolkit.ID{1, 2, 3, 4}
		p, err := poolkit.New(poolkit.Config[*int]{
			Dialer: poolkit.DialerFunc[*int](func(ctx context.Context, _ int) (poolkit.ID, *int, error) {
				if !alive {
					return poolkit.ID{}, nil, ended
				}
				return id, new(int), nil
			}),
			Shut:        func(*int) error { return nil },
			Healthy:     func(*int) bool { return alive },
			MinCapacity: 1,
			MaxCapacity: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.WaitReady(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		alive = false
		begun := time.Now()
		_, err = p.AcquireID(t.Context(), id)
		if !errors.Is(err, poolkit.ErrLost) || time.Since(begun) != 0 {
			t.Errorf("after %v: %v, want %v at once", time.Since(begun), err, poolkit.ErrLost)
		}
	})
}

// The permanent error may be of a deadline of the dialer's own.
func TestAPermanentErrorIsNoTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		w.breaks(always(poolkit.Permanent(context.DeadlineExceeded)))
		p := open(t, w, w.config(1))
		synctest.Wait()
		_, err := p.Acquire(t.Context())
		var timeout net.Error
		if !errors.As(err, &timeout) || timeout.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestNothingIsDialledForWhoHasNoTimeLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(0)
		cfg.MaxCapacity = 1
		p := open(t, w, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if s := p.Stats(); w.dialled() > 0 || s.Promised > 0 || s.Acquires != 1 || s.Waits != 0 {
			t.Errorf("%d dialled, %+v", w.dialled(), s)
		}
	})
}

// A peer that begins anew gives IDs again that it gave before.
func TestTheIDOfADeadMemberThatSomebodyHoldsIsAnothers(t *testing.T) {
	for _, ended := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			cfg := w.config(1)
			cfg.Dialer = poolkit.DialerFunc[*conn](func(ctx context.Context, shard int) (poolkit.ID, *conn, error) {
				_, c, err := w.dial(ctx, shard)
				return number(1), c, err // always the same
			})
			cfg.Dead = func(c *conn) bool { return c.ended.Load() }
			p := open(t, w, cfg)
			old, err := p.AcquireID(t.Context(), number(1))
			if err != nil {
				t.Fatal(err)
			}
			old.Conn().ended.Store(ended)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			l, err := p.AcquireID(ctx, number(1))
			if (err == nil) != ended {
				t.Fatalf("the member before has ended: %t, and the one after: %v", ended, err)
			}
			if !ended {
				return
			}
			old.Release() // it does not come back
			synctest.Wait()
			if l.Conn() == old.Conn() || old.Conn().shut.Load() != 1 {
				t.Errorf("the one before was shut %d times, want once", old.Conn().shut.Load())
			}
			l.Release()
			again, err := p.AcquireID(ctx, number(1))
			if err != nil || again.Conn() == old.Conn() {
				t.Errorf("then the ID names the one before: %v", err)
			}
		})
	}
}

func TestThoseWhoseContextIsOneShareTheErrorOfItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Places, cfg.MaxShards = 1, 1
		p := open(t, w, cfg)
		defer acquire(t, p).Release()
		for round := range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			own, cancel := context.WithTimeout(t.Context(), time.Second+time.Millisecond)
			defer cancel()
			results := make(chan got, 4)
			for i := range 2 {
				call(results, i, func() (poolkit.Lease[*conn], error) { return p.Acquire(ctx) })
			}
			call(results, 2, func() (poolkit.Lease[*conn], error) { return p.AcquireID(ctx, number(99)) })
			call(results, 3, func() (poolkit.Lease[*conn], error) { return p.Acquire(own) })
			var errs [4]*poolkit.AcquireError
			for range 4 {
				r := <-results
				if !errors.As(r.err, &errs[r.caller]) || !errors.Is(r.err, context.DeadlineExceeded) || !errs[r.caller].Timeout() {
					t.Fatalf("caller %d: %v", r.caller, r.err)
				}
			}
			if errs[0] != errs[1] || errs[0] == errs[2] || errs[0] == errs[3] {
				t.Errorf("%p and %p are of one context, %p is about an ID, and %p of another context", errs[0], errs[1], errs[2], errs[3])
			}
			if n := errs[0].Stats.Acquires; n != uint64(1+4*(round+1)) || !errs[2].ByID {
				t.Errorf("the error is about %d acquires, want those up to then", n)
			}
		}
	})
}
