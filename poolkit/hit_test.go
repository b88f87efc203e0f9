package poolkit_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// In these pools no callback has a say when a member is lent and comes back, and none has
// to be made in its place.

func TestATakeWakesAPoolThatHasSettled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		cfg.Places, cfg.MaxShards = 3, 1
		var steps notes[sizing.Observation]
		cfg.Sizing = counted(sizing.Fixed(3), &steps)
		p := open(t, w, cfg)
		ready(t, p)
		for range 3 {
			after(time.Hour)
			before := len(steps.list())
			l := acquire(t, p)
			after(time.Hour)
			got := steps.list()[before:]
			if len(got) == 0 || got[0].Takes != 1 || got[0].MostInUse != 1 {
				t.Errorf("after a take the policy was told %+v, want one take and one in use", got)
			}
			l.Release()
		}
	})
}

func TestAReturnEndsTheWaitForAFullPool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		cfg.Places, cfg.MaxShards = 2, 1
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- p.WaitReady(ctx, 2) }()
		synctest.Wait()
		if len(done) > 0 {
			t.Fatalf("with one of two on loan the wait for both ended: %v", <-done)
		}
		l.Release()
		synctest.Wait()
		if len(done) == 0 {
			t.Fatal("when it had come back nobody was told")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAMemberThatComesBackDuringAnAnnouncementIsShut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(2)
		giveBack := make(chan func(), 1)
		cfg.Announce = func(context.Context) {
			(<-giveBack)()
			synctest.Wait()
			if n := w.members()[0].shut.Load() + w.members()[1].shut.Load(); n != 1 {
				t.Errorf("%d members were shut, want the one that came back", n)
			}
		}
		p := open(t, w, cfg)
		ready(t, p)
		giveBack <- acquire(t, p).Release
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoGetsTheFirstMemberAfterAFailedCheckFindsItAlive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.CheckInterval = 500 * time.Millisecond
		var checks atomic.Int32
		cfg.Check = func(context.Context, *conn) error {
			if checks.Add(1) == 1 {
				return errSilent
			}
			return nil
		}
		p := open(t, w, cfg)
		ready(t, p)
		for checks.Load() == 0 {
			after(10 * time.Millisecond)
		}
		ready(t, p)
		if p.Stats().LastError == nil {
			t.Fatal("a failed check is forgotten when another member arrives")
		}
		acquire(t, p).Release()
		if err := p.Stats().LastError; err != nil {
			t.Errorf("the latest failure is still %v, though another member is alive", err)
		}
	})
}
