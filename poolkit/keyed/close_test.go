package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
)

func TestCloseEndsEverythingNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.shutTakes = time.Second
		p := open(t, w, w.config(3, 0))
		visit(t, p, "a", "b")
		lent, waiting := acquire(t, p, "c"), make(chan struct{})
		go func() {
			defer close(waiting)
			acquire(t, p, "d").Release() // takes the place of a
			if _, err := p.Acquire(t.Context(), "e"); !errors.Is(err, poolkit.ErrClosed) {
				t.Errorf("whoever waited was told %v", err)
			}
		}()
		removed := acquire(t, p, "b")
		p.Remove("b")
		after(1500 * time.Millisecond)
		begun := time.Now()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(begun); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		<-waiting
		if lent.Conn().shut.Load() != 1 || removed.Conn().shut.Load() != 1 {
			t.Error("a member on loan is still open")
		}
		_, err := p.Acquire(t.Context(), "a")
		var e *keyed.AcquireError
		if !errors.Is(err, poolkit.ErrClosed) || !errors.As(err, &e) || e.Key != "a" {
			t.Errorf("when closed, Acquire answers %v", err)
		}
		if _, ok := p.TryAcquire("a"); ok || p.Remove("a") {
			t.Error("when closed, there is something left")
		}
		if err := p.WaitReady(t.Context(), "a", 1); !errors.Is(err, poolkit.ErrClosed) {
			t.Errorf("when closed, WaitReady answers %v", err)
		}
		if err := p.SetBudget(5); err != nil {
			t.Error(err)
		}
		if err := errors.Join(p.Close(), p.Shutdown(t.Context())); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

func TestShutdownWaitsForLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(5, 1))
		one, removed := acquire(t, p, "a"), acquire(t, p, "b")
		p.Remove("b")
		visit(t, p, "c")
		done := make(chan error, 1)
		go func() { done <- p.Shutdown(t.Context()) }()
		after(time.Minute)
		if len(done) > 0 {
			t.Fatal("Shutdown returned with members on loan")
		}
		if _, err := p.Acquire(t.Context(), "a"); !errors.Is(err, poolkit.ErrClosed) {
			t.Errorf("while it drains, Acquire answers %v", err)
		}
		if n := w.openOf("c") + w.openOf("a") + w.openOf("b"); n != 2 {
			t.Errorf("%d open, want the two on loan", n)
		}
		one.Release()
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("Shutdown returned before the lease of a removed key had ended")
		}
		removed.Discard()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownWhoseTimeIsUpShutsWhatIsOnLoanAndSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p, err := keyed.New(w.config(5, 0))
		if err != nil {
			t.Fatal(err)
		}
		stuck := acquire(t, p, "stuck")
		visit(t, p, "fine")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = p.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the deadline", err)
		}
		want := "keyed: close the pool of stuck: poolkit: shutdown: context canceled: context deadline exceeded (1 members on loan were closed)"
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		if stuck.Conn().shut.Load() != 1 {
			t.Error("the member on loan is still open")
		}
		if again := p.Close(); again == nil || again.Error() != want {
			t.Errorf("the second time: %v", again)
		}
		stuck.Release()
	})
}

func TestCloseCutsAShutdownShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(5, 0))
		lent := acquire(t, p, "a")
		done := make(chan error, 1)
		go func() { done <- p.Shutdown(t.Context()) }()
		synctest.Wait()
		if err := errors.Join(p.Close(), <-done); err != nil {
			t.Error(err)
		}
		if lent.Conn().shut.Load() != 1 {
			t.Error("the member on loan is still open")
		}
	})
}

func TestCloseWaitsForAPoolThatIsBeingMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 1)
		let := madeLate(&cfg)
		p := open(t, w, cfg)
		first, second := call(t.Context(), p, "a"), call(t.Context(), p, "a")
		done := make(chan error, 1)
		go func() { done <- p.Close() }()
		synctest.Wait()
		if len(done) > 0 {
			t.Fatal("Close returned while a pool was being made")
		}
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, r := range []<-chan got{first, second} {
			if err := (<-r).err; !errors.Is(err, poolkit.ErrClosed) {
				t.Errorf("a caller was told %v", err)
			}
		}
	})
}

func TestWhatWentWrongInClosingIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(5, 1)
		each(&cfg, func(key string, c *poolkit.Config[*conn]) {
			c.Closed = func() error { return fmt.Errorf("%s: %w", key, errRefused) }
		})
		closed := make(map[string]error)
		cfg.Hooks.Closed = func(key string, err error) { closed[key] = err }
		p, err := keyed.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		acquire(t, p, "early").Release()
		p.Remove("early")
		synctest.Wait()
		acquire(t, p, "late").Release()
		if !errors.Is(closed["early"], errRefused) {
			t.Errorf("the hook was told %v", closed["early"])
		}
		if err := p.Close(); err == nil || err.Error() != "keyed: close the pool of late: late: refused" {
			t.Errorf("Close reports %v, want what it met itself", err)
		}
	})
}

func TestAPoolThatNobodyUsedHasLittleTimeForItsFarewell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(1, 0)
		var lingered time.Duration
		each(&cfg, func(_ string, c *poolkit.Config[*conn]) {
			c.Linger = func(ctx context.Context) {
				begun := time.Now()
				<-ctx.Done()
				lingered = time.Since(begun)
			}
		})
		p := open(t, w, cfg)
		visit(t, p, "a")
		visit(t, p, "b")
		after(time.Minute)
		if lingered != 2*time.Second {
			t.Errorf("an evicted pool lingered for %v", lingered)
		}
		begun := time.Now()
		if err := p.Close(); err != nil || time.Since(begun) > 0 {
			t.Errorf("Close: %v after %v, want it not to linger", err, time.Since(begun))
		}
	})
}
