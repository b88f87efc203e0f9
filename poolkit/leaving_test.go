package poolkit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

func TestAMemberThatIsLeavingIsReplacedAndLentOnlyByID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, watched(w.config(2)))
		ready(t, p)
		made := w.members()
		for _, c := range made {
			c.watcher.Leaving()
			c.watcher.Leaving() // again, which changes nothing
		}
		ready(t, p)
		expect(t, p, "after two are leaving", 2, 0, 0, 0)
		l := acquire(t, p)
		if slices.Contains(made, l.Conn()) {
			t.Error("a member that is leaving was lent to somebody who asked for any")
		}
		l.Discard()
		byID, ok := p.TryAcquireID(made[0].id)
		if !ok || byID.Conn() != made[0] {
			t.Fatal("a member that is leaving was not lent to who asked for its ID")
		}
		made[0].watcher.Gone() // somebody has it
		byID.Discard()
		made[1].end()
		ready(t, p)
		expect(t, p, "after both have gone", 2, 0, 0, 0)
		if _, ok := p.TryAcquireID(made[1].id); ok {
			t.Error("a member that is gone was lent")
		}
	})
}

func TestAYoungMemberThatLeavesAsAnnouncedIsNoFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, watched(w.config(1)))
		ready(t, p)
		c := w.members()[0]
		c.watcher.Leaving()
		c.end()
		synctest.Wait()
		if s := p.Stats(); s.Failed != 0 || s.LastError != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestShutdownAnnouncesThenDrainsThenLingers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := watched(w.config(3))
		var p *poolkit.Pool[*conn]
		var steps []string
		cfg.Announce = func(ctx context.Context) {
			steps = append(steps, "announce")
			expect(t, p, "while it announces", 0, 1, 0, 1)
			if _, err := p.Acquire(ctx); !errors.Is(err, poolkit.ErrClosed) {
				t.Errorf("while it announces, Acquire: %v", err)
			}
			for _, c := range w.members() {
				if l, ok := p.TryAcquireID(c.id); ok {
					l.Discard()
					return
				}
			}
			t.Error("while it announces, no member is lent by its ID")
		}
		cfg.Linger = func(context.Context) {
			steps = append(steps, "linger")
			expect(t, p, "while it lingers", 0, 0, 0, 0)
			time.Sleep(time.Second)
		}
		cfg.Closed = func() error {
			steps = append(steps, "closed")
			return nil
		}
		p = open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		ready(t, p)
		waits := make(chan error, 1)
		go func() {
			_, err := p.AcquireID(t.Context(), poolkit.ID{99})
			waits <- err
		}()
		synctest.Wait()
		begun := time.Now()
		time.AfterFunc(time.Minute, l.Release)
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != time.Minute+time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		if want := []string{"announce", "linger", "closed"}; !slices.Equal(steps, want) {
			t.Errorf("%q", steps)
		}
		if err := <-waits; !errors.Is(err, poolkit.ErrClosed) {
			t.Errorf("who waited for an ID got %v", err)
		}
	})
}

func TestCloseEndsAnAnnouncement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Announce = func(ctx context.Context) { <-ctx.Done() }
		cfg.Linger = func(context.Context) {}
		p := open(t, w, cfg)
		ready(t, p)
		time.AfterFunc(time.Hour, func() { p.Close() })
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhenTheContextEndsShutdownDoesNotLinger(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Announce = func(ctx context.Context) { <-ctx.Done() }
		cfg.Linger = func(context.Context) { t.Error("it lingers") }
		p := open(t, w, cfg)
		ready(t, p)
		acquire(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// What is said of a member that cannot be lent yet holds when it can.
func TestAMemberMaySayThatItIsLeavingAtAnyTime(t *testing.T) {
	for when, at := range map[string]int{"arriving": 1, "returning": 2, "being examined": 2} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			watches := 0
			cfg := seen(watched(w.config(1)), func(c *conn) {
				if c.id == number(1) {
					if watches++; watches == at {
						c.watcher.Leaving()
					}
				}
			})
			if when == "being examined" {
				cfg.Check = func(context.Context, *conn) error { return nil }
				cfg.CheckInterval = time.Second
			}
			p := open(t, w, cfg)
			ready(t, p)
			switch when {
			case "returning":
				acquire(t, p).Release()
			case "being examined":
				after(1500 * time.Millisecond)
			}
			after(5 * time.Second)
			for l, ok := p.TryAcquire(); ok; l, ok = p.TryAcquire() {
				defer l.Discard()
				if l.ID() == number(1) {
					t.Errorf("it said so while %s, and was lent to somebody who asked for any", when)
				}
			}
			l, ok := p.TryAcquireID(number(1))
			if !ok {
				t.Fatalf("it said so while %s, and was not lent to who asked for its ID", when)
			}
			l.Discard()
		})
	}
}

// lingering opens a pool, and notes when it has lingered and when it has closed.
func lingering(t *testing.T, w *world, linger func(context.Context)) (*poolkit.Pool[*conn], *notes[string]) {
	t.Helper()
	cfg, steps := w.config(1), new(notes[string])
	cfg.Linger = func(ctx context.Context) {
		linger(ctx)
		steps.add("lingered")
	}
	cfg.Closed = func() error {
		steps.add("closed")
		return nil
	}
	p := open(t, w, cfg)
	ready(t, p)
	return p, steps
}

func TestShutdownLingersOnceAndNotAfterClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p, steps := lingering(t, w, func(ctx context.Context) { _ = pass(ctx, time.Minute) })
		begun := time.Now()
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if err := p.Shutdown(t.Context()); err != nil || time.Since(begun) != time.Minute {
					t.Errorf("after %v: %v", time.Since(begun), err)
				}
			})
		}
		both.Wait()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if want := []string{"lingered", "closed"}; !slices.Equal(steps.list(), want) {
			t.Errorf("%q, want %q", steps.list(), want)
		}
	})
}

func TestCloseEndsLingeringAndWaitsForIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p, steps := lingering(t, w, func(ctx context.Context) {
			_ = pass(ctx, time.Hour)
			time.Sleep(time.Second)
		})
		begun := time.Now()
		time.AfterFunc(time.Second, func() { p.Close() })
		if err := p.Shutdown(t.Context()); err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if want := []string{"lingered", "closed"}; !slices.Equal(steps.list(), want) {
			t.Errorf("%q, want %q", steps.list(), want)
		}
	})
}
