package keyed

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// Whoever makes a pool would never get to use it, if it could be closed before.
func TestAPoolIsNotClosedBetweenItsMakingAndItsFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := New(Config[int, *int]{
			Pool: func(int) (poolkit.Config[*int], error) {
				return poolkit.Config[*int]{
					Dialer: poolkit.DialerFunc[*int](func(context.Context, int) (poolkit.ID, *int, error) {
						return poolkit.RandomID(), new(int), nil
					}),
					Shut:        func(*int) error { return nil },
					MaxCapacity: 1, Sizing: sizing.Fixed(0),
				}, nil
			},
			Budget:  1,
			MaxIdle: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		lent, err := p.Acquire(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = p.Acquire(ctx, 2) }() // so that there is a shortage
		synctest.Wait()
		var unused *entry[int, *int]
		for _, again := range []bool{false, true} {
			e, err := p.enter(ctx, 3) // made at first, found the second time
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				p.makeRoom()
				p.fold()
				p.expire()
			}
			p.mu.Lock()
			state := e.state
			p.mu.Unlock()
			if state != open {
				t.Fatalf("a pool was closed before whoever asked for it could use it; found: %t", again)
			}
			if err := p.pinned(e, func(*poolkit.Pool[*int]) error { return nil }); err != nil {
				t.Fatal(err)
			}
			unused = e
		}
		p.makeRoom()
		p.mu.Lock()
		state := unused.state
		p.mu.Unlock()
		if state != parting {
			t.Error("a pool that nobody uses was not closed")
		}
		cancel()
		synctest.Wait()
		lent.Release()
	})
}
