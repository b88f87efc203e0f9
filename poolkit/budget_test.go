package poolkit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// sharing opens pools that keep so many members each, under one budget.
func sharing(t *testing.T, b *poolkit.Budget, keep ...int) ([]*poolkit.Pool[*conn], []*world) {
	t.Helper()
	var ps []*poolkit.Pool[*conn]
	var ws []*world
	for _, n := range keep {
		w := &world{}
		cfg := w.config(n)
		if n == 0 {
			cfg.MaxCapacity = 1 // both zero would be the default
		}
		cfg.Budget = b
		ps, ws = append(ps, open(t, w, cfg)), append(ws, w)
		synctest.Wait()
	}
	t.Cleanup(func() {
		if s := b.Stats(); s.Open != 0 || s.Closing != 0 || s.Waiting != 0 {
			t.Errorf("when all pools are closed: %+v, want nothing open and nobody waiting", s)
		}
	})
	t.Cleanup(func() { // runs first
		for _, p := range ps {
			p.Close()
		}
	})
	return ps, ws
}

// budget compares the numbers of a budget.
func budget(t *testing.T, b *poolkit.Budget, when string, open, closing, waiting, shortage int) {
	t.Helper()
	s := b.Stats()
	if s.Open != open || s.Closing != closing || s.Waiting != waiting || b.Shortage() != shortage {
		t.Errorf("%s: %d open, %d closing, %d waiting, a shortage of %d; want %d, %d, %d, %d",
			when, s.Open, s.Closing, s.Waiting, b.Shortage(), open, closing, waiting, shortage)
	}
}

// signalled reports whether a token had come.
func signalled(b *poolkit.Budget) bool {
	select {
	case <-b.Short():
		return true
	default:
		return false
	}
}

// borrow lets a caller wait, and sends what came of it.
func borrow(t *testing.T, p *poolkit.Pool[*conn]) <-chan got {
	t.Helper()
	results := make(chan got, 1)
	call(results, 0, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
	return results
}

// arrived returns what came of a call, and fails where nothing has.
func arrived(t *testing.T, when string, results <-chan got) poolkit.Lease[*conn] {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-results:
		if r.err != nil {
			t.Errorf("%s: %v", when, r.err)
		}
		return r.lease
	default:
		t.Fatalf("%s: the caller waits still", when)
		return poolkit.Lease[*conn]{}
	}
}

func waits(t *testing.T, when string, results <-chan got) {
	t.Helper()
	synctest.Wait()
	if len(results) > 0 {
		t.Fatalf("%s: the caller has got something", when)
	}
}

func TestPoolsKeepNoMoreReadyTogetherThanTheirBudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(5)
		ps, ws := sharing(t, b, 3, 4)
		expect(t, ps[0], "the first pool", 3, 0, 0, 0)
		expect(t, ps[1], "the second", 2, 0, 0, 0)
		budget(t, b, "when both want to be full", 5, 0, 0, 0)
		after(time.Hour)
		if n := ws[0].dialled() + ws[1].dialled(); n != 5 {
			t.Errorf("%d dials in an hour, want 5", n)
		}
		if signalled(b) {
			t.Error("members that are only to be kept ready made a shortage")
		}
		ps[0].Close()
		synctest.Wait()
		expect(t, ps[1], "when the first is closed", 4, 0, 0, 0)
	})
}

func TestARaisedLimitIsUsedAtOnceAndALoweredOneWhenMembersComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(-1)
		ps, _ := sharing(t, b, 2, 2)
		budget(t, b, "with a limit below zero", 0, 0, 0, 0)
		b.SetLimit(3)
		synctest.Wait()
		budget(t, b, "with a limit of three", 3, 0, 0, 0)
		one, two := acquire(t, ps[0]), acquire(t, ps[0])
		later := borrow(t, ps[0])
		b.SetLimit(2)
		budget(t, b, "with a limit of two, and one who waits", 3, 0, 1, 2)
		if ps[1].Shed(5) != 1 {
			t.Error("the only idle member was not shed")
		}
		b.Dry()
		synctest.Wait()
		budget(t, b, "with what was idle shed", 2, 0, 1, 1)
		b.SetLimit(1)
		one.Release()
		budget(t, b, "with one more than the limit, when a member came back", 1, 0, 1, 1)
		waits(t, "at the limit", later)
		two.Release()
		l := arrived(t, "when a member came back at the limit", later)
		if l.Conn() != two.Conn() {
			t.Error("somebody else's member was handed on")
		}
		l.Release()
	})
}

func TestWhatCallersWaitForComesBeforeWhatIsKeptReady(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(1)
		ps, ws := sharing(t, b, 3, 0)
		expect(t, ps[0], "the pool that keeps three", 1, 0, 0, 0)
		caller := borrow(t, ps[1])
		budget(t, b, "with a caller of the other", 1, 0, 1, 1)
		if !signalled(b) {
			t.Error("the shortage was not signalled")
		}
		ctx, cancel := context.WithCancel(t.Context())
		another := make(chan got, 1)
		call(another, 0, func() (poolkit.Lease[*conn], error) { return ps[1].Acquire(ctx) })
		if !signalled(b) {
			t.Error("the shortage became more, and that was not signalled")
		}
		cancel()
		<-another
		if n := ps[0].Shed(1); n != 1 {
			t.Errorf("%d members were shed, want one", n)
		}
		l := arrived(t, "when the other had shed", caller)
		budget(t, b, "when the caller has got it", 1, 0, 0, 0)
		l.Discard()
		after(time.Hour)
		if n := ws[0].dialled(); n != 1 {
			t.Errorf("a pool that was shed dialled %d times, want once in its life", n)
		}
		acquire(t, ps[0]).Release()
		after(time.Second)
		if n := b.Stats().Open; n != 1 {
			t.Errorf("%d open after the pool was asked again, want one", n)
		}
	})
}

func TestAPoolThatWasShedFillsAgainWhenItIsAskedOrWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(10)
		ps, _ := sharing(t, b, 4)
		p := ps[0]
		if n := p.Shed(3); n != 3 {
			t.Fatalf("%d were shed, want 3", n)
		}
		after(time.Hour)
		expect(t, p, "an hour after three of four were shed", 1, 0, 0, 0)
		acquire(t, p).Release()
		synctest.Wait()
		expect(t, p, "after a take", 5, 0, 0, 0)
		if n := p.Shed(9); n != 5 {
			t.Fatalf("%d were shed, want all 5", n)
		}
		if err := p.WaitReady(t.Context(), 0); err != nil {
			t.Error(err)
		}
		if n := p.Shed(0) + p.Shed(-1); n != 0 {
			t.Errorf("%d were shed for nothing", n)
		}
		if n := b.Stats().Evicted; n != 8 {
			t.Errorf("%d evicted, want 8", n)
		}
	})
}

func TestPoolsWithoutAMemberComeFirstInTheOrderOfTheirCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(2)
		ps, _ := sharing(t, b, 0, 0, 0, 0)
		one, two := acquire(t, ps[0]), acquire(t, ps[0])
		more := borrow(t, ps[0]) // the first who waits, but its pool has members
		second, third, fourth := borrow(t, ps[1]), borrow(t, ps[2]), borrow(t, ps[3])
		budget(t, b, "with four who wait", 2, 0, 4, 4)
		one.Discard()
		l := arrived(t, "the second pool's caller", second)
		waits(t, "the first pool's", more)
		l.Discard()
		l = arrived(t, "the third pool's caller", third)
		l.Discard()
		l = arrived(t, "the fourth pool's caller", fourth)
		waits(t, "the first pool's", more)
		l.Discard()
		l = arrived(t, "the first pool's, in the end", more)
		l.Discard()
		two.Discard()
	})
}

func TestPoolsWithMembersTakeTurns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(6)
		ps, _ := sharing(t, b, 0, 0)
		var held []poolkit.Lease[*conn]
		for range 5 {
			held = append(held, acquire(t, ps[0]))
		}
		held = append(held, acquire(t, ps[1]))
		var first, second []<-chan got
		for range 4 {
			first = append(first, borrow(t, ps[0]))
		}
		for range 2 {
			second = append(second, borrow(t, ps[1]))
		}
		for i, turn := range []<-chan got{first[0], second[0], first[1], second[1], first[2], first[3]} {
			held[i].Discard()
			held = append(held, arrived(t, "a pool whose turn it is", turn))
		}
		for _, l := range held {
			l.Discard()
		}
	})
}

// A pool that is asked all the time would keep what it has for ever.
func TestAMemberThatComesBackIsGivenUpForAPoolThatHasNone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(2)
		ps, _ := sharing(t, b, 0, 0, 0)
		one, two := acquire(t, ps[0]), acquire(t, ps[0])
		mine, other := borrow(t, ps[0]), borrow(t, ps[1])
		b.Dry()
		one.Release()
		arrived(t, "a pool without any, when one with two got one back", other)
		waits(t, "a caller of that one", mine)

		third := borrow(t, ps[2])
		b.Dry()
		two.Release()
		l := arrived(t, "a caller of a pool, when its only member came back", mine)
		again := borrow(t, ps[0])
		waits(t, "another pool's", third)
		after(time.Second)
		l.Release()
		last := arrived(t, "another pool's, after a second", third)
		waits(t, "a caller of the first", again)
		last.Release()
		arrived(t, "a caller of the first, whose turn it is then", again)
	})
}

func TestAMemberThatComesBackToNobodyGoesToAnybodyWhenTheBudgetIsDry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(2)
		ps, _ := sharing(t, b, 0, 0)
		mine, theirs := acquire(t, ps[0]), acquire(t, ps[1])
		caller := borrow(t, ps[1])
		for signalled(b) {
			continue
		}
		mine.Release()
		if !signalled(b) {
			t.Error("a member that became idle while somebody waited was not signalled")
		}
		waits(t, "without anybody to say that the budget is dry", caller)
		mine = acquire(t, ps[0])
		b.Dry()
		mine.Release()
		arrived(t, "when it is", caller).Release()
		theirs.Release()
		expect(t, ps[0], "the pool that had it", 0, 0, 0, 0)
		expect(t, ps[1], "the pool that got it", 2, 0, 0, 0)
		if n := b.Stats().Evicted; n != 1 {
			t.Errorf("%d evicted, want one", n)
		}
	})
}

func TestWhoeverWaitsForACertainIDGetsItThoughOthersAreShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(1)
		ps, _ := sharing(t, b, 0, 0)
		l := acquire(t, ps[0])
		results := make(chan got, 1)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return ps[0].AcquireID(t.Context(), l.ID()) })
		budget(t, b, "with one who waits for an ID", 1, 0, 0, 0)
		other := borrow(t, ps[1])
		b.Dry()
		after(time.Minute)
		l.Release()
		l = arrived(t, "whoever waits for the ID", results)
		l.Release()
		arrived(t, "the other", other)
	})
}

func TestWhoeverGivesUpWaitingMakesNoShortage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(1)
		ps, ws := sharing(t, b, 0, 0)
		l := acquire(t, ps[0])
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan got, 3)
		for i := range 3 {
			call(results, i, func() (poolkit.Lease[*conn], error) { return ps[1].Acquire(ctx) })
		}
		budget(t, b, "with three who wait", 1, 0, 3, 3)
		cancel()
		synctest.Wait()
		budget(t, b, "when they have given up", 1, 0, 0, 0)
		b.Dry() // nobody needs that any more
		l.Release()
		expect(t, ps[0], "when the member came back", 1, 0, 0, 0)
		if n := ws[1].dialled(); n != 0 {
			t.Errorf("%d dials for those who gave up", n)
		}
	})
}

func TestAnErrorSaysThatTheBudgetForbidsMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ps, _ := sharing(t, poolkit.NewBudget(1), 0, 0)
		acquire(t, ps[0])
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := ps[1].Acquire(ctx)
		want := "poolkit: acquire a member: context deadline exceeded (0 idle of 0, 0 on loan, 0 on their way, 0 waiting; 1 more would be dialled if the Budget allowed it)"
		if err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		if n := ps[1].Stats().Denied; n != 0 {
			t.Errorf("%d are denied when nobody wants them any more", n)
		}
	})
}

func TestAMemberThatServesACallerEndsItsClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(2)
		ps, _ := sharing(t, b, 0, 0)
		one, _ := acquire(t, ps[0]), acquire(t, ps[1])
		caller := borrow(t, ps[0])
		budget(t, b, "with one who waits", 2, 0, 1, 1)
		one.Release()
		arrived(t, "the caller", caller)
		budget(t, b, "when the member of another had come back", 2, 0, 0, 0)
	})
}

func TestAMemberCountsUntilItIsShutOrHijacked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(1)
		w, other := &world{}, &world{}
		let := make(chan struct{})
		cfg := w.config(0)
		cfg.MaxCapacity, cfg.Budget = 1, b
		cfg.Shut = func(c *conn) error {
			<-let
			return shutConn(c)
		}
		p := open(t, w, cfg)
		cfg = other.config(0)
		cfg.MaxCapacity, cfg.Budget = 1, b
		q := open(t, other, cfg)

		l := acquire(t, p)
		caller := borrow(t, q)
		go l.Discard()
		synctest.Wait()
		budget(t, b, "while the member is being shut", 1, 1, 1, 0)
		waits(t, "until it is", caller)
		let <- struct{}{}
		l = arrived(t, "then", caller)
		caller = borrow(t, p)
		if !l.Hijack() {
			t.Fatal("no hijack")
		}
		_ = shutConn(l.Conn())
		arrived(t, "after a hijack", caller)
		close(let)
	})
}

func TestAFailedDialGivesItsPartBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(1)
		ps, ws := sharing(t, b, 0, 0)
		ws[0].breaks(always(errRefused))
		bad := borrow(t, ps[0])
		good := borrow(t, ps[1])
		l := arrived(t, "the caller of the pool that works", good)
		waits(t, "the other", bad)
		after(10 * time.Second)
		before := ws[0].dialled()
		after(time.Minute)
		if n := ws[0].dialled(); n != before {
			t.Errorf("%d dials while another pool had all of the budget", n-before)
		}
		ws[0].breaks(nil)
		l.Discard()
		after(5 * time.Second)
		arrived(t, "the other, when its peer answers", bad)
	})
}

func TestAnOfferIsRefusedWhereTheBudgetIsUsedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(2)
		w := &world{}
		ps := newPeers(w)
		cfg := w.config(0)
		cfg.Dialer, cfg.Acceptor, cfg.Budget = nil, ps, b
		p := open(t, w, cfg)
		for range 3 {
			ps.offer(&offer{shard: 1})
		}
		synctest.Wait()
		expect(t, p, "after three offers", 2, 0, 0, 0)
		if n := p.Stats().Refused; n != 1 {
			t.Errorf("%d offers were refused, want one", n)
		}
		if n := p.Shed(2); n != 0 {
			t.Errorf("%d members were shed that the peer opened", n)
		}
	})
}

func TestTryCloseClosesOnlyAPoolThatNobodyUses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := watched(w.config(1))
		cfg.Places, cfg.MaxShards = 1, 1
		var leaving notes[poolkit.Reason]
		cfg.Hooks.Left = func(_ poolkit.ID, _ int, why poolkit.Reason) { leaving.add(why) }
		returning, let := make(chan struct{}), make(chan struct{})
		var slow bool
		cfg.Healthy = func(*conn) bool {
			if slow {
				close(returning)
				<-let
			}
			return true
		}
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		if p.TryClose() {
			t.Fatal("closed with a member on loan")
		}
		slow = true
		go l.Release()
		<-returning
		if p.TryClose() {
			t.Fatal("closed while a member came back")
		}
		slow = false
		close(let)
		synctest.Wait()
		w.breaks(always(errRefused))
		w.members()[0].end()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan got, 1)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return p.Acquire(ctx) })
		if p.TryClose() {
			t.Fatal("closed while a caller waited")
		}
		cancel()
		<-results
		ctx, cancel = context.WithCancel(t.Context())
		call(results, 0, func() (poolkit.Lease[*conn], error) { return poolkit.Lease[*conn]{}, p.WaitReady(ctx, 1) })
		if p.TryClose() {
			t.Fatal("closed while somebody waited for it to fill")
		}
		cancel()
		<-results
		w.breaks(nil)
		after(5 * time.Second)
		expect(t, p, "before it is closed", 1, 0, 0, 0)
		for range 2 {
			if !p.TryClose() {
				t.Fatal("not closed though nobody used it")
			}
		}
		if _, err := p.Acquire(t.Context()); !errors.Is(err, poolkit.ErrClosed) {
			t.Errorf("a closed pool answers %v, want ErrClosed", err)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := leaving.list(); len(got) != 2 || got[1] != poolkit.Evicted {
			t.Errorf("members left for %v, want the last to be evicted", got)
		}
	})
}

func TestADialUnderWayEndsWithAPoolThatNobodyUses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(1)
		w := &world{delay: time.Hour}
		cfg := w.config(1)
		cfg.Budget = b
		p := open(t, w, cfg)
		synctest.Wait()
		budget(t, b, "during the dial", 1, 0, 0, 0)
		b.SetLimit(0)
		budget(t, b, "with one more than there may be", 1, 0, 0, 1)
		if !p.TryClose() {
			t.Fatal("not closed")
		}
		if n := b.Shortage(); n != 0 {
			t.Errorf("a shortage of %d, though the dial is being ended", n)
		}
		synctest.Wait()
		budget(t, b, "after it", 0, 0, 0, 0)
	})
}

func TestMembersAreReplacedBecauseOfTheirAgeThoughTheBudgetIsUsedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := poolkit.NewBudget(3)
		w := &world{}
		cfg := w.config(3)
		cfg.Budget, cfg.MaxAge = b, time.Minute
		p := open(t, w, cfg)
		ready(t, p)
		after(5 * time.Minute)
		for _, c := range w.members()[:3] {
			if c.shut.Load() != 1 {
				t.Errorf("member %v is five minutes old, allowed is one, or two at first", c.id)
			}
		}
		expect(t, p, "after five minutes", 3, 0, 0, 0)
	})
}

func TestAMemberThatIsTooOldIsNotReplacedInAPoolThatWasShed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		cfg.MaxAge = time.Minute
		p := open(t, w, cfg)
		ready(t, p)
		p.Shed(2)
		after(5 * time.Minute)
		expect(t, p, "after five minutes", 0, 0, 0, 0)
		acquire(t, p)
		synctest.Wait()
		expect(t, p, "when it was asked", 3, 1, 0, 0)
	})
}

func TestAPoolThatWasShedFillsForWhoTries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(2))
		ready(t, p)
		p.Shed(2)
		synctest.Wait()
		expect(t, p, "after shedding", 0, 0, 0, 0)
		if _, ok := p.TryAcquire(); ok {
			t.Error("lent a member that was shed")
		}
		synctest.Wait()
		expect(t, p, "after a try", 2, 0, 0, 0)
	})
}

func TestSheddingLeavesWhoWaitsForAFullPoolInHope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, v := &world{}, &world{}
		b := poolkit.NewBudget(4)
		other := v.config(0)
		other.MaxCapacity, other.Budget = 1, b
		held := acquire(t, open(t, v, other))
		cfg := w.config(4)
		cfg.Budget = b
		p := open(t, w, cfg)
		synctest.Wait()
		expect(t, p, "with room for three", 3, 0, 0, 0)
		waits := make(chan error, 1)
		go func() { waits <- p.WaitReady(t.Context(), 4) }()
		synctest.Wait()
		p.Shed(1)
		held.Discard()
		synctest.Wait()
		select {
		case err := <-waits:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Fatalf("WaitReady has not returned: %+v", p.Stats())
		}
	})
}
