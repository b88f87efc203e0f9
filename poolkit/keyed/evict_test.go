package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

type idle = map[string]int

func TestAKeyThatIsUsedLessRecentlyGivesUpItsMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(3, 0))
		visit(t, p, "a", "b", "c")
		warmAre(t, p, "when all fit", idle{"a": 1, "b": 1, "c": 1})
		visit(t, p, "d")
		warmAre(t, p, "when a fourth is used", idle{"b": 1, "c": 1, "d": 1})
		visit(t, p, "b", "c")
		visit(t, p, "e")
		warmAre(t, p, "when a fifth is used", idle{"b": 1, "c": 1, "e": 1})
		if s := p.Stats(); s.Evicted != 2 || s.Opened != 5 || s.Keys != 3 || s.Open != 3 || s.Budget != 3 {
			t.Errorf("%+v, want 2 evicted of 5 pools, and 3 of 3 open", s)
		}
	})
}

func TestACrawlEvictsWhatItHasMadeItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const crawled = 2400
		w := newWorld()
		p := open(t, w, w.config(16, 0))
		for i := range 12 * 2 {
			visit(t, p, fmt.Sprint("hot", i%12))
		}
		for i := range crawled {
			visit(t, p, fmt.Sprint("crawled", i), fmt.Sprint("hot", i%12))
		}
		if n := w.dialled() - crawled - 12; n > crawled/100 {
			t.Errorf("%d of %d uses of hot keys had to dial while as many others were crawled", n, crawled)
		}
	})
}

func TestKeysThatWereHotMakeRoomForThoseThatAre(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(16, 0))
		for _, generation := range []string{"old", "new"} {
			for range 100 {
				for i := range 12 {
					visit(t, p, fmt.Sprint(generation, i))
				}
			}
		}
		before := w.dialled()
		for i := range 12 {
			visit(t, p, fmt.Sprint("new", i))
		}
		if n := w.dialled() - before; n != 0 {
			t.Errorf("%d dials for 12 keys that have been hot for long", n)
		}
	})
}

func TestAKeyGivesUpNoMoreThanIsNeeded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(5, 0))
		var ls []lease
		for range 4 {
			ls = append(ls, acquire(t, p, "a"))
		}
		for _, l := range ls {
			l.Release()
		}
		visit(t, p, "b", "b", "c", "c")
		warmAre(t, p, "when two more keys are used", idle{"a": 3, "b": 1, "c": 1})
		visit(t, p, "d", "d")
		warmAre(t, p, "when three are", idle{"a": 2, "b": 1, "c": 1, "d": 1})
	})
}

func TestKeysInUseAreEvictedLastAndNeverWhatIsOnLoan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(4, 0))
		one, two := acquire(t, p, "a"), acquire(t, p, "a")
		one.Release()
		visit(t, p, "b", "c")
		warmAre(t, p, "at first", idle{"a": 1, "b": 1, "c": 1})
		d, e := acquire(t, p, "d"), acquire(t, p, "e")
		warmAre(t, p, "when two more keys are in use", idle{"a": 1, "d": 0, "e": 0})
		f := acquire(t, p, "f")
		warmAre(t, p, "when a third is", idle{"a": 0, "d": 0, "e": 0, "f": 0})
		if two.Conn().shut.Load() != 0 {
			t.Error("a member on loan was shut")
		}
		g := call(t.Context(), p, "g")
		waits(t, "with all on loan", g)
		if s := p.Stats(); s.Waiting != 1 || s.Open != 4 {
			t.Errorf("%+v, want 4 open and one waiting", s)
		}
		e.Release()
		l := arrived(t, "when one came back", g)
		for _, l := range []lease{two, d, f, l} {
			l.Release()
		}
	})
}

func TestWithEverythingOnLoanKeysGetTheirFirstMemberInTheOrderOfTheirCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.dialTakes, w.shutTakes = 20*time.Millisecond, 5*time.Millisecond
		p := open(t, w, w.config(3, 1))
		held := []lease{acquire(t, p, "x"), acquire(t, p, "y"), acquire(t, p, "z")}
		var waiting []<-chan got
		for i := range 20 {
			waiting = append(waiting, call(t.Context(), p, fmt.Sprint(i)))
		}
		for i, c := range waiting {
			held[i].Release()
			after(30 * time.Millisecond)
			held = append(held, arrived(t, fmt.Sprint("caller ", i), c))
			if i+1 < len(waiting) {
				waits(t, fmt.Sprint("caller ", i+1), waiting[i+1])
			}
		}
		for _, l := range held {
			l.Release()
		}
	})
}

func TestAKeyWithoutEndOfCallersLeavesSomeToOthers(t *testing.T) {
	for _, budget := range []int{1, 2, 5} {
		bubble(t, func(t *testing.T) {
			w := newWorld()
			w.dialTakes = 50 * time.Millisecond
			p := open(t, w, w.config(budget, 1))
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan int, 10)
			for range 10 {
				go func() {
					n := 0
					for {
						l, err := p.Acquire(ctx, "greedy")
						if err != nil || ctx.Err() != nil {
							l.Release()
							served <- n
							return
						}
						time.Sleep(10 * time.Millisecond)
						l.Release()
						n++
					}
				}()
			}
			after(time.Second)
			for i := range 10 {
				begun := time.Now()
				l := acquire(t, p, fmt.Sprint("modest", i))
				if d := time.Since(begun); d > 2*time.Second {
					t.Errorf("budget %d: a modest key waited %v beside a greedy one", budget, d)
				}
				time.Sleep(10 * time.Millisecond)
				l.Release()
			}
			after(time.Second)
			cancel()
			sum := 0
			for range 10 {
				sum += <-served
			}
			if sum < 100*budget {
				t.Errorf("budget %d: the greedy key was served %d times", budget, sum)
			}
		})
	}
}

func TestARefillEvictsNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.dialTakes = 30 * time.Millisecond
		p := open(t, w, w.config(6, 3))
		acquire(t, p, "a").Release()
		after(time.Second)
		warmAre(t, p, "with one key", idle{"a": 4})
		acquire(t, p, "b").Release()
		after(time.Second)
		warmAre(t, p, "with two keys, of which each keeps three", idle{"a": 4, "b": 2})
		acquire(t, p, "c").Release()
		after(time.Second)
		warmAre(t, p, "with three", idle{"a": 3, "b": 2, "c": 1})
		before := w.dialled()
		after(50 * time.Second)
		if n := w.dialled() - before; n != 0 {
			t.Errorf("%d dials though nobody asked for anything", n)
		}
	})
}

func TestDialsThatNobodyWaitsForMakeRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(3, 0)
		each(&cfg, func(key string, c *poolkit.Config[*conn]) {
			if key[0] == 'x' { // a host that does not answer
				c.DialTimeout = time.Hour
				c.Dialer = poolkit.DialerFunc[*conn](func(ctx context.Context, _ int) (poolkit.ID, *conn, error) {
					w.count(key, 1)
					<-ctx.Done()
					w.count(key, -1)
					return poolkit.ID{}, nil, ctx.Err()
				})
			}
		})
		p := open(t, w, cfg)
		visit(t, p, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var silent []<-chan got
		for _, key := range []string{"x1", "x2"} {
			silent = append(silent, call(ctx, p, key))
		}
		b := call(t.Context(), p, "b")
		arrived(t, "while callers wait for the hosts that do not answer, a caller who evicts", b).Release()
		warmAre(t, p, "with callers of these hosts", idle{"b": 1, "x1": 0, "x2": 0})
		after(2 * time.Second)
		for _, c := range silent {
			if r := <-c; !errors.Is(r.err, context.DeadlineExceeded) {
				t.Error(r.err)
			}
		}
		begun := time.Now()
		visit(t, p, "c")
		warmAre(t, p, "when those have given up", idle{"b": 1, "x2": 0, "c": 1})
		visit(t, p, "d")
		warmAre(t, p, "and another key is used", idle{"b": 1, "c": 1, "d": 1})
		if d := time.Since(begun); d > 0 {
			t.Errorf("callers waited %v for dials that nobody waited for", d)
		}
	})
}

func TestWhatBecomesIdleBeforeItsKeyIsOpenMakesRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(1, 1)
		let := make(chan struct{})
		cfg.Hooks.Opened = func(key string) {
			if key == "a" {
				<-let
			}
		}
		p := open(t, w, cfg)
		ready := make(chan error, 1)
		wait := func() { ready <- p.WaitReady(t.Context(), "a", 1) }
		go wait()
		synctest.Wait()
		let <- struct{}{}
		if err := <-ready; err != nil || w.dialled() != 1 {
			t.Errorf("where nobody is short: %v, %d dials, want one", err, w.dialled())
		}
		p.Remove("a")
		go wait()
		synctest.Wait()
		b := call(t.Context(), p, "b")
		waits(t, "while the only member belongs to a key that is being made", b)
		let <- struct{}{}
		l := arrived(t, "when that key is open", b)
		if len(ready) > 0 {
			t.Error("a key is ready that has given up its only member")
		}
		p.Remove("b")
		l.Release()
		if err := <-ready; err != nil {
			t.Error(err)
		}
	})
}

func TestWhatASlowShutHoldsIsNotEvictedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.shutTakes = time.Minute
		p := open(t, w, w.config(4, 0))
		visit(t, p, "a", "b", "c", "d")
		e := call(t.Context(), p, "e")
		after(30 * time.Second)
		waits(t, "during the shut", e)
		warmAre(t, p, "during the shut", idle{"b": 1, "c": 1, "d": 1, "e": 0})
		after(31 * time.Second)
		arrived(t, "after it", e).Release()
	})
}

func TestAKeyIsNotDialledAgainBeforeItsOldPoolIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.shutTakes = 10 * time.Second
		cfg := w.config(2, 0)
		var most int
		inner := cfg.Pool
		cfg.Pool = func(key string) (poolkit.Config[*conn], error) {
			most = max(most, w.openOf(key))
			return inner(key)
		}
		p := open(t, w, cfg)
		visit(t, p, "a", "b")
		b := call(t.Context(), p, "c") // evicts a
		a := call(t.Context(), p, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while its old pool is being closed a key answers %v, want the deadline", err)
		}
		after(30 * time.Second)
		arrived(t, "the key that came after", b).Release()
		arrived(t, "the key that came back", a).Release()
		if most != 0 {
			t.Errorf("a pool was made while its predecessor had %d open", most)
		}
	})
}

func TestALowerBudgetIsReachedAsSoonAsMembersComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(6, 0))
		visit(t, p, "a", "b", "c")
		held := []lease{acquire(t, p, "x"), acquire(t, p, "y"), acquire(t, p, "z")}
		if err := p.SetBudget(4); err != nil {
			t.Fatal(err)
		}
		warmAre(t, p, "with a budget of four", idle{"c": 1, "x": 0, "y": 0, "z": 0})
		if err := p.SetBudget(1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := p.Stats(); s.Open != 3 || s.Budget != 1 {
			t.Errorf("%+v, want the three on loan open", s)
		}
		more := call(t.Context(), p, "a")
		held[0].Release()
		held[1].Release()
		waits(t, "with one on loan and a budget of one", more)
		if n := w.openOf("x") + w.openOf("y") + w.openOf("z"); n != 1 {
			t.Errorf("%d open, want one", n)
		}
		if err := p.SetBudget(2); err != nil {
			t.Fatal(err)
		}
		arrived(t, "with a budget of two", more).Release()
		held[2].Release()
		for _, n := range []int{0, -1} {
			if err := p.SetBudget(n); err == nil {
				t.Errorf("a budget of %d was accepted", n)
			}
		}
	})
}

func TestAKeyThatIsNotUsedIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config(100, 1)
		cfg.MaxIdle = time.Minute
		p := open(t, w, cfg)
		lent := acquire(t, p, "lent")
		visit(t, p, "used", "unused")
		for range 12 {
			after(5 * time.Second)
			visit(t, p, "used")
		}
		if _, ok := p.StatsOf("unused"); !ok {
			t.Error("a key was closed before a minute without use was over")
		}
		for range 3 {
			after(5 * time.Second)
			visit(t, p, "used")
		}
		synctest.Wait()
		if s, ok := p.StatsOf("unused"); ok {
			t.Errorf("a key is still there 75 s after its use, idle are allowed 60: %+v", s)
		}
		after(10 * time.Minute)
		if _, ok := p.StatsOf("lent"); !ok {
			t.Error("a key was closed of which a member is on loan")
		}
		lent.Release()
		after(40 * time.Second)
		if _, ok := p.StatsOf("lent"); !ok {
			t.Error("a key was closed as soon as its member had come back")
		}
		after(35 * time.Second)
		if s := p.Stats(); s.Keys != 0 || s.Open != 0 {
			t.Errorf("%+v, want nothing left", s)
		}
		before := w.dialled()
		after(24 * time.Hour)
		if n := w.dialled() - before; n != 0 {
			t.Errorf("%d dials in a day without use", n)
		}
		visit(t, p, "unused")
		if n := w.poolsOf("unused"); n != 2 {
			t.Errorf("the pool of a key that came back was made %d times, want twice", n)
		}
	})
}

func TestTheNumberOfPoolsIsBoundedByTheBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		p := open(t, w, w.config(20, 1))
		for i := range 2000 {
			key := fmt.Sprint("dead", i)
			w.breaks(key, errRefused)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if _, err := p.Acquire(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			cancel()
			synctest.Wait()
			if n := p.Stats().Keys; n > 25 {
				t.Fatalf("%d pools after %d keys, with a budget of 20", n, i+1)
			}
		}
		if err := p.SetBudget(3); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := p.Stats().Keys; n > 3 {
			t.Errorf("%d pools, with a budget of 3", n)
		}
	})
}
