package poolkit_test

import (
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// exit is a member that left a pool.
type exit struct {
	id  poolkit.ID
	why poolkit.Reason
	at  time.Duration // after exits were first noted
}

// exits notes who leaves a pool, when and why.
func exits(cfg *poolkit.Config[*conn]) *notes[exit] {
	all := new(notes[exit])
	begun := time.Now()
	cfg.Hooks.Left = func(id poolkit.ID, _ int, why poolkit.Reason) {
		all.add(exit{id, why, time.Since(begun)})
	}
	return all
}

func because(all []exit, why poolkit.Reason) (some []exit) {
	for _, e := range all {
		if e.why == why {
			some = append(some, e)
		}
	}
	return some
}

// neverBelow says that a pool has at least so many idle members at every look, for a
// while.
func neverBelow(t *testing.T, p *poolkit.Pool[*conn], idle int, look, during time.Duration) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); after(look) {
		if s := p.Stats(); s.Idle < idle {
			t.Fatalf("%d idle %v before the end, want never below %d: %+v", s.Idle, time.Until(end), idle, s)
		}
	}
}

// restless is a policy that lets the pool neither sleep nor take steps to know the time
// by.
func restless(n int) sizing.Policy {
	return policy(func(sizing.Observation) sizing.Decision {
		return sizing.Decision{Target: n, Wait: time.Hour}
	})
}

func TestMembersMadeTogetherAreNotReplacedTogether(t *testing.T) {
	const n, age = 100, 1000 * time.Second
	bubble(t, func(t *testing.T) {
		w := &world{delay: 30 * time.Millisecond}
		cfg := w.config(n)
		cfg.MaxAge, cfg.MaxDialing = age, n
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		after(age - time.Second)
		if all := left.list(); len(all) > 0 {
			t.Errorf("%d members left before they were too old", len(all))
		}
		neverBelow(t, p, n, time.Second/3, age+time.Minute)
		all := left.list()
		for i := range all[2:] {
			if apart := all[i+2].at - all[i].at; apart < age/n {
				t.Errorf("three members left within %v, want two at most in any %v", apart, age/n)
			}
		}
		born := 0
		for _, e := range all {
			if e.why != poolkit.Aged {
				t.Errorf("%v left: %v", e.id, e.why)
			}
			if e.id[2] == 0 && e.id[3] <= n {
				born++
			}
		}
		if born != n {
			t.Errorf("after twice the age %d of the %d first members have been replaced", born, n)
		}
		before := len(all)
		neverBelow(t, p, n, time.Second/3, 3*age)
		if n := len(left.list()) - before; n < 290 || n > 303 {
			t.Errorf("%d were replaced in three times the age, want 300", n)
		}
	})
}

func TestAPoolOfOneNeverStandsEmptyBecauseOfAgeOrIdleTime(t *testing.T) {
	for name, set := range map[string]func(*poolkit.Config[*conn]){
		"age":       func(c *poolkit.Config[*conn]) { c.MaxAge = time.Minute },
		"idle time": func(c *poolkit.Config[*conn]) { c.MaxIdle = time.Minute },
		"both":      func(c *poolkit.Config[*conn]) { c.MaxAge, c.MaxIdle = 100*time.Second, time.Minute },
	} {
		bubble(t, func(t *testing.T) {
			w := &world{delay: 5 * time.Second}
			cfg := w.config(1)
			set(&cfg)
			left := exits(&cfg)
			p := open(t, w, cfg)
			ready(t, p)
			neverBelow(t, p, 1, time.Second/2, time.Hour)
			if n := len(left.list()); n < 40 || n > 60 {
				t.Errorf("%s: %d were replaced in an hour, want about one in a minute and five seconds", name, n)
			}
			// An outage must not cost it the member it has.
			w.breaks(always(errRefused))
			neverBelow(t, p, 1, time.Second, time.Hour)
			l, ok := p.TryAcquire()
			if !ok {
				t.Fatalf("%s: nobody was lent the member of a pool that cannot dial", name)
			}
			l.Discard()
			w.breaks(nil)
			ready(t, p)
		})
	}
}

func TestAMemberOnLoanIsTooOldOnlyWhenItComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Places, cfg.MaxShards = 1, 1
		cfg.MaxAge = time.Minute
		left := exits(&cfg)
		p := open(t, w, cfg)
		l := acquire(t, p)
		after(time.Hour)
		if c := l.Conn(); c.shut.Load() != 0 {
			t.Error("a member was shut during its loan")
		}
		l.Release()
		synctest.Wait()
		if all := left.list(); len(all) != 1 || all[0].id != l.ID() || all[0].why != poolkit.Aged {
			t.Errorf("left when it came back: %+v, want %v, aged", all, l.ID())
		}
	})
}

func TestOldMembersThatComeBackTogetherAreNotShutTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.MaxAge = time.Hour
		left := exits(&cfg)
		p := open(t, w, cfg)
		var ls []poolkit.Lease[*conn]
		for range 59 {
			ls = append(ls, acquire(t, p))
		}
		p.Resize(60, 60)
		ready(t, p)
		after(2*time.Hour - time.Minute)
		for _, l := range ls {
			l.Release()
		}
		before := len(left.list())
		after(3 * time.Hour)
		all := because(left.list()[before:], poolkit.Aged)
		for i := range all[2:] {
			if apart := all[i+2].at - all[i].at; apart < time.Hour/120 {
				t.Errorf("three members left within %v", apart)
			}
		}
		old := 0
		for _, c := range w.members()[:60] {
			old += 1 - int(c.shut.Load())
		}
		if old > 0 {
			t.Errorf("%d of the first members are still there after five hours", old)
		}
	})
}

// Members of a pool that is always used to the full have no time to stand idle.
func TestMembersThatAreAlwaysOnLoanAreReplacedAllTheSame(t *testing.T) {
	const n = 40
	bubble(t, func(t *testing.T) {
		w := &world{delay: 10 * time.Millisecond}
		cfg := w.config(1)
		cfg.Places, cfg.MaxShards = n, 1
		cfg.MaxAge = time.Minute
		cfg.Sizing = restless(1)
		left := exits(&cfg)
		p := open(t, w, cfg)
		end := time.Now().Add(time.Hour)
		var users sync.WaitGroup
		for range 2 * n {
			users.Go(func() {
				for time.Now().Before(end) {
					l, err := p.Acquire(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Second)
					l.Release()
				}
			})
		}
		users.Wait()
		all := left.list()
		// One in a minute and a half each, since members come back but once a second.
		if got := len(all); got < n*60*2/3 || got > n*61 {
			t.Errorf("%d of %d members left in an hour, want each about once a minute", got, n)
		}
		born := make(map[poolkit.ID]time.Duration)
		for i, e := range all {
			if i > 0 {
				born[number(i+n)] = all[i-1].at // made in place of the one before
			}
			if age := e.at - born[e.id]; age > 2*time.Minute+30*time.Second {
				t.Errorf("member %v left at the age of %v", e.id, age)
			}
		}
	})
}

func TestWithoutRoomForTheReplacementOneMemberAtATimeGoesFirst(t *testing.T) {
	for name, set := range map[string]func(*poolkit.Config[*conn]){
		"age":       func(c *poolkit.Config[*conn]) { c.MaxAge = time.Minute },
		"idle time": func(c *poolkit.Config[*conn]) { c.MaxIdle = time.Minute },
	} {
		bubble(t, func(t *testing.T) {
			w := &world{delay: time.Second}
			cfg := w.config(6)
			cfg.Places, cfg.MaxShards = 3, 2
			set(&cfg)
			left := exits(&cfg)
			p := open(t, w, cfg)
			ready(t, p)
			neverBelow(t, p, 5, time.Second/2, 10*time.Minute)
			if n := len(left.list()); n < 40 || n > 61 {
				t.Errorf("%s: %d members were replaced in ten minutes, want six a minute or a little less", name, n)
			}
			w.breaks(always(errRefused))
			neverBelow(t, p, 5, time.Second/2, 10*time.Minute)
			w.breaks(nil)
			ready(t, p)
		})
	}
}

func TestWhereTheBudgetIsSpentOneMemberAtATimeGoesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		budget := poolkit.NewBudget(8)
		cfg := w.config(6)
		cfg.Budget = budget
		p := open(t, w, cfg)
		cfg.MinCapacity, cfg.MaxCapacity, cfg.Sizing = 2, 2, sizing.Fixed(2)
		cfg.MaxAge = time.Minute
		left := exits(&cfg)
		q, err := poolkit.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		ready(t, p)
		ready(t, q)
		neverBelow(t, q, 1, time.Second/2, 10*time.Minute)
		if n := len(left.list()); n < 15 || n > 21 {
			t.Errorf("%d members were replaced in ten minutes, want two a minute or a little less", n)
		}
		if s := budget.Stats(); s.Open > 8 {
			t.Errorf("%d are open, want 8", s.Open)
		}
	})
}

func TestWhatAPeerHasOpenedIsThePeersToRenew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps := newPeers(w)
		cfg := w.config(2)
		cfg.Acceptor = ps
		cfg.MaxAge, cfg.MaxIdle = time.Minute, time.Minute
		p := open(t, w, cfg)
		for range 5 {
			ps.offer(&offer{shard: 1})
		}
		ready(t, p)
		after(time.Hour)
		shut := 0
		for _, c := range w.members() {
			if c.shard == 1 {
				shut += int(c.shut.Load())
			}
		}
		if shut > 0 {
			t.Errorf("%d of five members that a peer has opened were shut", shut)
		}
	})
}

func TestAMemberThatStoodUnusedIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(5)
		cfg.NewestFirst = true
		cfg.MaxIdle = 80 * time.Second
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		for range 60 {
			acquire(t, p).Release()
			after(time.Second)
		}
		after(19 * time.Second)
		if all := left.list(); len(all) != 0 {
			t.Errorf("%v left before they had been idle for that long", all)
		}
		after(15 * time.Second)
		// Four of five and the replacement of the fifth, which was surplus, have stood for
		// 80 s, and an eighth of that, and the time of a dial.
		all := because(left.list(), poolkit.Unused)
		if len(all) < 4 || len(all) > 5 {
			t.Errorf("%d left unused, want those that were not lent: %+v", len(all), all)
		}
		l := acquire(t, p)
		if slices.ContainsFunc(all, func(e exit) bool { return e.id == l.ID() }) {
			t.Error("a member was lent that had left")
		}
	})
}

func TestAMemberThatIsLentNowAndThenIsNotUnused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.NewestFirst = true
		cfg.MaxIdle = time.Minute
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		ready(t, p)
		l.Release()
		for range 100 {
			after(50 * time.Second)
			again, ok := p.TryAcquireID(l.ID())
			if !ok {
				t.Fatal("a member was shut that had been lent within the minute")
			}
			again.Release()
		}
	})
}

// The pool sleeps while nothing happens, and must not count what it slept.
func TestAMemberThatComesBackAfterHoursHasNotStoodUnused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.Places, cfg.MaxShards = 1, 1
		cfg.MaxIdle = 10 * time.Minute
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		after(5*time.Hour + 7*time.Second)
		l.Release()
		begun := len(left.list())
		after(9 * time.Minute)
		if c := l.Conn(); c.shut.Load() != 0 {
			t.Errorf("a member was shut within nine minutes of its return: %+v", left.list()[begun:])
		}
		after(3 * time.Minute)
		if c := l.Conn(); c.shut.Load() != 1 {
			t.Error("a member is there twelve minutes after its return")
		}
	})
}

func TestUnusedSurplusIsShutAndNotReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		cfg.MaxIdle = 20 * time.Second
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		var ls []poolkit.Lease[*conn]
		for range 50 {
			ls = append(ls, acquire(t, p))
		}
		for _, l := range ls {
			l.Release()
		}
		after(23 * time.Second)
		expect(t, p, "after 23 s", 1, 0, 0, 0)
		if n := len(because(left.list(), poolkit.Unused)); n < 50 || w.dialled() > 52 {
			t.Errorf("%d left unused and %d were dialled, want 50 and at most 52", n, w.dialled())
		}
	})
}

func TestAPoolWhoseMembersAreUnusedTogetherIsRefreshedWithoutHaste(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Second}
		cfg := w.config(100)
		cfg.Sizing = restless(100)
		cfg.MaxIdle, cfg.MaxDialing = time.Minute, 100
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		w.mu.Lock()
		w.most = 0
		w.mu.Unlock()
		neverBelow(t, p, 100, time.Second/4, time.Minute+8*time.Second)
		if n := len(because(left.list(), poolkit.Unused)); n != 100 || w.most != 16 {
			t.Errorf("%d were replaced with %d dials at once, want 100 with 16", n, w.most)
		}
		if s := p.Stats(); s.Idle != 100 || s.Lost != 0 {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestAPoolDoesNotGrowFromBeingKeptFresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(10)
		cfg.MaxCapacity = 100
		cfg.Sizing = &sizing.Stepwise{MinInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second}
		cfg.MaxIdle, cfg.MaxAge = time.Minute, 3*time.Minute
		p := open(t, w, cfg)
		ready(t, p)
		after(time.Minute)
		before := p.Stats().Capacity
		after(time.Hour)
		if s := p.Stats(); s.Capacity > before || s.Created < 500 {
			t.Errorf("after an hour without demand the target is %d, was %d: %+v", s.Capacity, before, s)
		}
	})
}

func TestAMemberServesSoManyLeasesAndNoMore(t *testing.T) {
	for name, set := range map[string]func(*poolkit.Config[*conn]){
		"plain":   func(*poolkit.Config[*conn]) {},
		"watched": func(c *poolkit.Config[*conn]) { *c = watched(*c) },
	} {
		bubble(t, func(t *testing.T) {
			w := &world{}
			cfg := w.config(1)
			set(&cfg)
			cfg.MaxUses, cfg.NewestFirst = 3, true
			left := exits(&cfg)
			p := open(t, w, cfg)
			uses := make(map[poolkit.ID]int)
			for range 60 {
				l := acquire(t, p)
				uses[l.ID()]++
				l.Release()
				after(time.Millisecond)
			}
			for id, n := range uses {
				if n > 3 {
					t.Errorf("%s: member %v was lent %d times", name, id, n)
				}
			}
			all := left.list()
			if len(all) < 19 {
				t.Errorf("%s: %d members left after 60 leases, want 20 or almost", name, len(all))
			}
			for _, e := range all {
				if e.why != poolkit.Worn || uses[e.id] != 3 {
					t.Errorf("%s: member %v left after %d leases: %v", name, e.id, uses[e.id], e.why)
				}
			}
		})
	}
}

func TestTimesWithoutEndAreForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		cfg.MaxAge, cfg.MaxIdle, cfg.MaxUses = math.MaxInt64, math.MaxInt64, math.MaxInt
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		for range 100 {
			acquire(t, p).Release()
			after(time.Hour)
		}
		for _, e := range left.list() {
			if e.why != poolkit.Surplus {
				t.Errorf("member %v left: %v", e.id, e.why)
			}
		}
	})
}

func TestEveryReasonHasAName(t *testing.T) {
	seen := make(map[string]bool)
	for r := poolkit.Ended; r <= poolkit.Worn; r++ {
		if name := r.String(); seen[name] || name == "" || name[0] == 'R' {
			t.Errorf("reason %d is called %q", r, name)
		} else {
			seen[name] = true
		}
	}
}
