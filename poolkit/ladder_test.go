package poolkit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// Pools of single use with a Ladder, as package sizing/sim simulates them.

func TestAnOutageIsProbedSeldomAndOverSoon(t *testing.T) {
	for _, lead := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			w := &world{delay: lead}
			cfg := w.config(1)
			cfg.MaxCapacity, cfg.MaxDialing, cfg.SingleUse = 1024, 1024, true
			cfg.Sizing = &sizing.Ladder{}
			p := open(t, w, cfg)
			ready(t, p)

			var callers sync.WaitGroup
			var served notes[time.Time] // of those who waited
			takes := func(length time.Duration) {
				for end := time.Now().Add(length); time.Now().Before(end); after(20 * time.Millisecond) {
					callers.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
						defer cancel()
						begun := time.Now()
						l, err := p.Acquire(ctx)
						if err == nil {
							l.Discard()
							if time.Since(begun) > lead {
								served.add(time.Now())
							}
						}
					})
				}
			}
			takes(time.Minute)
			w.breaks(always(errRefused))
			before := w.dialled()
			takes(30 * time.Second)
			if n := w.dialled() - before; n > 90 {
				t.Errorf("%d attempts in an outage of 30 s, want 3 a second at most", n)
			}
			w.breaks(nil)
			over := time.Now()
			takes(30 * time.Second)
			callers.Wait()
			all := served.list()
			if len(all) == 0 {
				t.Fatal("nobody waited for the end of the outage")
			}
			for _, at := range all {
				if back := at.Sub(over); back > 3500*time.Millisecond {
					t.Fatalf("the last who waited were served %v after the outage, want 3.5 s at most", back)
				}
			}
		})
	}
}

func TestAQuietPoolKeepsTheLeastAndSleeps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 50 * time.Millisecond}
		cfg := w.config(2)
		cfg.MaxCapacity, cfg.SingleUse = 100, true
		var steps notes[sizing.Observation]
		cfg.Sizing = counted(&sizing.Ladder{Price: 30 * time.Second}, &steps)
		p := open(t, w, cfg)
		ready(t, p)
		for range 500 {
			acquire(t, p).Discard()
			after(10 * time.Millisecond)
		}
		if s := p.Stats(); s.Capacity < 8 {
			t.Errorf("the capacity is %d, %q, with 100 takes a second and five on their way at any time; want more than 8", s.Capacity, s.Reason)
		}
		after(31 * time.Second)
		if s := p.Stats(); s.Capacity != 2 {
			t.Errorf("the capacity is %d, %q, when a wait is worth no more; want 2", s.Capacity, s.Reason)
		}
		after(2 * time.Second)
		expect(t, p, "two seconds later", 2, 0, 0, 0)
		after(time.Minute)
		before := len(steps.list())
		after(24 * time.Hour)
		if n := len(steps.list()) - before; n != 0 {
			t.Errorf("%d steps in a day without events, want none", n)
		}
	})
}
