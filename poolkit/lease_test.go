package poolkit_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

func TestAStaleLeaseNeverTouchesTheNextBorrower(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := watched(w.config(1))
		cfg.Places, cfg.MaxShards = 1, 1
		p := open(t, w, cfg)
		stale := acquire(t, p)
		stale.Release()
		next := acquire(t, p)
		if stale.Conn() != next.Conn() {
			t.Fatal("the member was not lent again")
		}
		stale.Release()
		stale.Discard()
		if stale.Hijack() {
			t.Error("a stale lease hijacked the next borrower's member")
		}
		expect(t, p, "after ending a stale lease", 0, 1, 0, 0)
		if next.Conn().shut.Load() != 0 {
			t.Error("a stale lease shut the next borrower's member")
		}
		next.Discard()
		next.Discard()
		next.Release()
		ready(t, p)
		var zero poolkit.Lease[*conn]
		zero.Release()
		zero.Discard()
		zero.Hijack()
		if zero.Conn() != nil || zero.ID() != (poolkit.ID{}) || zero.Shard() != 0 {
			t.Error("the zero lease has something")
		}
	})
}

func TestASingleUseMemberIsShutWhenItsLeaseEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.SingleUse = true
		p := open(t, w, cfg)
		l := acquire(t, p)
		l.Release()
		if n := l.Conn().shut.Load(); n != 1 {
			t.Errorf("shut %d times, want once", n)
		}
		synctest.Wait()
		expect(t, p, "after a single use", 1, 0, 0, 0)
	})
}

func TestAMemberThatIsUnhealthyOrEndsOnItsWayBackIsShut(t *testing.T) {
	for _, why := range []poolkit.Reason{poolkit.Unhealthy, poolkit.Gone} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			cfg := watched(w.config(1))
			var back bool
			var leaving notes[poolkit.Reason]
			watch := cfg.Watch
			cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
				stop := watch(c, w)
				if back && why == poolkit.Gone && c.id == number(1) {
					c.end()
				}
				return stop
			}
			cfg.Healthy = func(*conn) bool { return !back || why != poolkit.Unhealthy }
			cfg.Hooks.Left = func(_ poolkit.ID, _ int, why poolkit.Reason) { leaving.add(why) }
			p := open(t, w, cfg)
			ready(t, p)
			l := acquire(t, p)
			ready(t, p)
			back = true
			l.Release()
			if left := leaving.list(); len(left) != 1 || left[0] != why || l.Conn().shut.Load() != 1 {
				t.Errorf("left %v, shut %d times; want [%v] and once", left, l.Conn().shut.Load(), why)
			}
			back = false
		})
	}
}

func TestLentSeesEachLeaseBeforeItsCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		var seen []poolkit.Lease[*conn]
		cfg.Lent = func(c *conn, l poolkit.Lease[*conn]) {
			if l.Conn() != c {
				t.Error("the lease is another member's")
			}
			seen = append(seen, l)
		}
		p := open(t, w, cfg)
		l := acquire(t, p)
		if len(seen) != 1 || seen[0] != l {
			t.Errorf("Lent saw %v, want the caller's lease", seen)
		}
		seen[0].Discard() // by the backend
		l.Release()
		after(time.Second)
		expect(t, p, "after the backend ended the lease", 1, 0, 0, 0)
	})
}

// inAll wants n members in all, those on loan included.
type inAll int

func (n inAll) Step(sizing.Observation) sizing.Decision {
	return sizing.Decision{Target: int(n), InUse: true, Wait: time.Second, Settled: true}
}

func TestTheReplacementOfWhatIsDiscardedDoesNotWaitUntilThatIsShut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(4)
		cfg.MinCapacity = 1
		cfg.Sizing = inAll(4)
		cfg.Shut = func(c *conn) error {
			time.Sleep(30 * time.Second)
			return shutConn(c)
		}
		p := open(t, w, cfg)
		ready(t, p)
		var held []poolkit.Lease[*conn]
		for range 4 {
			held = append(held, acquire(t, p))
		}
		synctest.Wait()
		expect(t, p, "four on loan, and the least", 1, 4, 0, 0)
		for _, l := range held {
			go l.Discard()
		}
		synctest.Wait()
		expect(t, p, "when all four are discarded", 4, 0, 0, 0)
	})
}
