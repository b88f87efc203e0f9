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
