package poolkit_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// counted lets a policy be watched: notes tells when it was asked what.
func counted(inner sizing.Policy, seen *notes[sizing.Observation]) sizing.Policy {
	return policy(func(o sizing.Observation) sizing.Decision {
		seen.add(o)
		return inner.Step(o)
	})
}

func TestASettledPoolTakesNoStepsUntilSomethingHappens(t *testing.T) {
	for _, inner := range []sizing.Policy{
		sizing.Fixed(5),
		&sizing.Stepwise{MinInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second},
		&sizing.Ladder{},
	} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			ps := newPeers(w)
			cfg := watched(w.config(5))
			cfg.Acceptor = ps
			var steps notes[sizing.Observation]
			cfg.Sizing = counted(inner, &steps)
			p := open(t, w, cfg)
			for range 20 {
				ps.offer(&offer{shard: 1})
			}
			ready(t, p)
			after(5 * time.Minute)
			before := len(steps.list())
			after(24 * time.Hour)
			if n := len(steps.list()) - before; n != 0 {
				t.Errorf("%d steps in a day without events, want none", n)
			}
			for _, event := range []struct {
				name   string
				happen func()
			}{
				{"a death", func() { w.members()[7].end() }},
				{"a take", func() { acquire(t, p) }},
				{"a flush", p.Flush},
				{"a resize", func() { p.Resize(4, 5) }},
			} {
				before := len(steps.list())
				event.happen()
				after(5 * time.Minute)
				if len(steps.list()) == before {
					t.Errorf("no step followed %s", event.name)
				}
				before = len(steps.list())
				after(time.Hour)
				if n := len(steps.list()) - before; n != 0 {
					t.Errorf("%d steps in the hour after %s had settled, want none", n, event.name)
				}
			}
		})
	}
}

func TestWhatHappensDuringAStepIsSeenByTheNext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		cfg.Places, cfg.MaxShards = 4, 1 // so that nothing arrives after the second take
		var p *poolkit.Pool[*conn]
		var during atomic.Bool
		var steps notes[sizing.Observation]
		cfg.Sizing = policy(func(o sizing.Observation) sizing.Decision {
			if o.Takes == 1 && !during.Swap(true) {
				p.TryAcquire()
			}
			steps.add(o)
			return sizing.Decision{Target: 3, Wait: time.Second, Settled: true}
		})
		p = open(t, w, cfg)
		ready(t, p)
		after(time.Minute)
		before := len(steps.list())
		acquire(t, p)
		after(1500 * time.Millisecond)
		after(time.Second)
		if got := steps.list()[before:]; len(got) < 2 || got[1].Takes != 1 {
			t.Errorf("steps saw %+v, want the second to see the take during the first", got)
		}
	})
}

func TestAPolicyIsAskedNoMoreThanAThousandTimesASecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		var steps notes[sizing.Observation]
		cfg.Sizing = counted(policy(func(sizing.Observation) sizing.Decision {
			return sizing.Decision{Target: 1, Wait: -time.Hour}
		}), &steps)
		open(t, w, cfg)
		after(time.Second)
		if n := len(steps.list()); n > 1001 {
			t.Errorf("%d steps in a second", n)
		}
	})
}

func TestATakeBringsTheNextStepForward(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(5)
		var steps notes[time.Time]
		cfg.Sizing = policy(func(sizing.Observation) sizing.Decision {
			steps.add(time.Now())
			return sizing.Decision{Target: 5, Wait: 10 * time.Second, OnTake: 20 * time.Millisecond}
		})
		p := open(t, w, cfg)
		ready(t, p)
		after(time.Second)
		begun := time.Now()
		before := len(steps.list())
		acquire(t, p).Release() // at once
		after(time.Millisecond)
		for range 30 { // these bring two more steps, after 20 and 40 ms
			acquire(t, p).Release() // and nothing else: there is one more than enough by now
			after(time.Millisecond)
		}
		after(9 * time.Second)
		var got []time.Duration
		for _, at := range steps.list()[before:] {
			got = append(got, at.Sub(begun))
		}
		if want := []time.Duration{0, 20 * time.Millisecond, 40 * time.Millisecond}; !slices.Equal(got, want) {
			t.Errorf("takes for 31 ms brought steps after %v, want %v", got, want)
		}
		after(1040 * time.Millisecond)
		if n := len(steps.list()) - before; n != 4 {
			t.Errorf("%d steps, want one more when the interval is over", n)
		}
	})
}

func TestATakeDuringAStepBringsTheNextForward(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		var p *poolkit.Pool[*conn]
		var steps notes[sizing.Observation]
		cfg := w.config(3)
		cfg.Sizing = policy(func(o sizing.Observation) sizing.Decision {
			if steps.add(o); len(steps.list()) == 2 {
				p.TryAcquire()
			}
			return sizing.Decision{Target: 3, Wait: 10 * time.Second, OnTake: 20 * time.Millisecond}
		})
		p = open(t, w, cfg)
		ready(t, p)
		after(10 * time.Second)
		after(20 * time.Millisecond)
		if got := steps.list(); len(got) != 3 || got[2].Takes != 1 {
			t.Errorf("steps saw %+v, want a third that saw the take during the second", got)
		}
	})
}

func TestAPolicyThatPanicsIsNotHastenedByTakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		steps := 0
		cfg.Sizing = policy(func(sizing.Observation) sizing.Decision {
			if steps++; steps > 1 {
				panic("no idea")
			}
			return sizing.Decision{Target: 3, Wait: 10 * time.Second, OnTake: 20 * time.Millisecond}
		})
		p := open(t, w, cfg)
		ready(t, p)
		for range 100 {
			acquire(t, p)
			after(10 * time.Millisecond)
		}
		if steps != 2 {
			t.Errorf("%d steps, want one that panics and no other in the interval", steps)
		}
	})
}

func TestStatsSayWhyTheCapacityIsWhatItIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(3))
		if got := p.Stats().Reason.String(); got != "fixed at 3" {
			t.Errorf("the capacity is %d: %q", p.Stats().Capacity, got)
		}
	})
}

func TestResizeMovesTheTargetBothWays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(5)
		var moves notes[[2]int]
		cfg.Sizing = policy(func(o sizing.Observation) sizing.Decision {
			return sizing.Decision{Target: o.MinCapacity, Wait: time.Second, Settled: true}
		})
		cfg.Hooks.Resized = func(from, to int) { moves.add([2]int{from, to}) }
		p := open(t, w, cfg)
		ready(t, p)
		p.Resize(20, 12)
		synctest.Wait()
		expect(t, p, "after growing", 12, 0, 0, 0)
		p.Resize(3, 4)
		after(2 * time.Second)
		expect(t, p, "after shrinking", 3, 0, 0, 0)
		p.Resize(-1, 0)
		after(2 * time.Second)
		expect(t, p, "after shrinking to nothing", 0, 0, 0, 0)
		if l := acquire(t, p); l.Conn() == nil {
			t.Error("a pool that keeps nothing ready lent nothing")
		}
		if got := moves.list(); len(got) < 4 || got[0] != [2]int{0, 5} || got[1] != [2]int{5, 12} {
			t.Errorf("the target moved %v, want from 0 to 5, to 12 and down", got)
		}
	})
}

func TestATargetEndsAtThePlacesThereAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.MinCapacity, cfg.MaxCapacity, cfg.MaxShards = 1000, math.MaxInt, 2
		cfg.Sizing = policy(func(o sizing.Observation) sizing.Decision {
			return sizing.Decision{Target: o.MaxCapacity, Wait: time.Second, Settled: true}
		})
		p := open(t, w, cfg)
		ready(t, p)
		expect(t, p, "with room for 2×128", 256, 0, 0, 0)
		p.Resize(3, 4)
		p.Resize(math.MaxInt, 250)
		after(2 * time.Second)
		if s := p.Stats(); s.Capacity != 256 || s.Idle != 256 {
			t.Errorf("after Resize %d idle of %d, want 256 of 256", s.Idle, s.Capacity)
		}
	})
}

func TestMembersThatComeBackAreNotTrimmedWhileTheyAreUsedNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(5))
		ready(t, p)
		for range 200 {
			after(10 * time.Second)
			l := acquire(t, p)
			after(100 * time.Millisecond)
			l.Release()
		}
		if n := w.dialled(); n > 6 {
			t.Errorf("%d dials for 200 requests, one every ten seconds, in a pool of 5; want 6", n)
		}
		after(3 * time.Minute)
		expect(t, p, "minutes after the last request", 5, 0, 0, 0)
	})
}

func TestAPolicyThatCountsLoansKeepsWhatWasInUseAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 50 * time.Millisecond}
		cfg := w.config(1)
		cfg.MaxCapacity, cfg.Sizing = 50, &sizing.Ladder{Price: 30 * time.Second}
		p := open(t, w, cfg)
		ready(t, p)
		burst := func() {
			var ls []poolkit.Lease[*conn]
			for range 10 {
				ls = append(ls, acquire(t, p))
			}
			after(time.Second)
			if s := p.Stats(); s.Idle < 1 || s.Capacity != 1 {
				t.Errorf("with ten on loan: %+v, want one idle", s)
			}
			for _, l := range ls {
				l.Release()
			}
			after(9 * time.Second)
		}
		burst()
		expect(t, p, "after ten came back", 11, 0, 0, 0)
		dials, waits := w.dialled(), p.Stats().Waits
		for range 5 {
			burst()
		}
		if d, n := w.dialled()-dials, p.Stats().Waits-waits; d != 0 || n != 0 {
			t.Errorf("five more bursts dialled %d and let %d wait, want none", d, n)
		}
		s := p.Stats()
		if want := "holding 11: the 11th spare was needed "; !strings.HasPrefix(s.Reason.String(), want) || s.Capacity != 11 {
			t.Errorf("the capacity is %d: %q, want %q", s.Capacity, s.Reason, want)
		}
		after(30 * time.Second)
		expect(t, p, "when a wait is worth no more", 1, 0, 0, 0)
	})
}

func TestABurstIsServedWithoutWaitingAgainWithinTheMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		p := open(t, w, w.config(5))
		ready(t, p)
		for range 10 {
			var ls []poolkit.Lease[*conn]
			for range 30 {
				ls = append(ls, acquire(t, p))
			}
			for _, l := range ls {
				l.Release()
			}
			after(20 * time.Second)
		}
		if s := p.Stats(); s.Waits > 25 || w.dialled() > 60 {
			t.Errorf("ten bursts of 30 made %d wait and dialled %d; want the first burst alone to", s.Waits, w.dialled())
		}
		after(3 * time.Minute)
		expect(t, p, "minutes after the last burst", 5, 0, 0, 0)
	})
}

func TestSingleUsePoolsTrimWithinTwoSteps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(3)
		cfg.SingleUse = true
		p := open(t, w, cfg)
		ready(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 3 {
			acquire(t, p).Release()
		}
		if _, err := p.Acquire(ctx); err == nil {
			t.Error("a fourth was ready")
		}
		after(time.Second)
		expect(t, p, "after one gave up", 4, 0, 0, 0)
		after(3 * time.Second)
		expect(t, p, "two steps later", 3, 0, 0, 0)
	})
}

// However often the policy is asked.
func TestSurplusOfSingleUseServesATakeSoonAfter(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: 100 * time.Millisecond}
		cfg := w.config(3)
		cfg.SingleUse = true
		cfg.Sizing = policy(func(sizing.Observation) sizing.Decision {
			return sizing.Decision{Target: 3, Wait: 10 * time.Millisecond}
		})
		p := open(t, w, cfg)
		ready(t, p)
		after(time.Second)
		for range 3 {
			acquire(t, p).Release()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := p.Acquire(ctx); err == nil {
			t.Error("a fourth was ready")
		}
		after(300 * time.Millisecond)
		dials := w.dialled()
		acquire(t, p).Release()
		after(time.Second)
		expect(t, p, "after the next take", 3, 0, 0, 0)
		if n := w.dialled() - dials; n != 0 {
			t.Errorf("%d dials for it, want the surplus to have served it", n)
		}
	})
}

func TestASlowShutOfSurplusDoesNotHoldUpRecovery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(5)
		cfg.SingleUse = true
		cfg.Shut = func(c *conn) error {
			time.Sleep(time.Hour)
			return shutConn(c)
		}
		p := open(t, w, cfg)
		ready(t, p)
		p.Resize(1, 1)
		after(3 * time.Second) // four are being shut
		w.breaks(always(errRefused))
		acquire(t, p)
		after(time.Second)
		w.breaks(nil)
		after(3500 * time.Millisecond)
		if s := p.Stats(); s.Idle != 1 {
			t.Errorf("%d idle after recovery, want 1: %+v", s.Idle, s)
		}
	})
}

func TestWaitReadyWaitsForSoManyOrSaysWhyNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(6)
		cfg.MaxDialing = 2
		p := open(t, w, cfg)
		begun := time.Now()
		for n, want := range map[int]time.Duration{0: 3 * time.Second} {
			if err := p.WaitReady(t.Context(), n); err != nil || time.Since(begun) != want {
				t.Errorf("WaitReady(%d) returned %v after %v, want after %v", n, err, time.Since(begun), want)
			}
		}
		if err := p.WaitReady(t.Context(), 7); err == nil || !strings.HasPrefix(err.Error(), "poolkit: wait for 7 idle members: the pool keeps at most 6 (6 idle of 6") {
			t.Errorf("WaitReady(7) returned %v", err)
		}
		p.Flush()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begun = time.Now()
		err := p.WaitReady(ctx, 5)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 1500*time.Millisecond {
			t.Errorf("WaitReady(5) returned %v after %v, want its deadline", err, time.Since(begun))
		}
	})
}

func TestWaitReadyFollowsATargetThatFalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(6)
		cfg.MinCapacity, cfg.MaxDialing = 2, 1
		p := open(t, w, cfg)
		results := make(chan got, 2)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return poolkit.Lease[*conn]{}, p.WaitReady(t.Context(), 0) })
		call(results, 5, func() (poolkit.Lease[*conn], error) { return poolkit.Lease[*conn]{}, p.WaitReady(t.Context(), 5) })
		p.Resize(2, 3)
		if r := <-results; r.caller != 5 || r.err == nil {
			t.Errorf("first caller %d was told %v, want caller 5 that there are too many", r.caller, r.err)
		}
		if r := <-results; r.caller != 0 || r.err != nil {
			t.Errorf("then caller %d was told %v, want caller 0 that the pool is full", r.caller, r.err)
		}
	})
}
