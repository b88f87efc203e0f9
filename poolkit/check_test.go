package poolkit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

var errSilent = errors.New("no answer")

// doctor examines members: each check takes a while, and finds the dead ones.
type doctor struct {
	takes time.Duration

	mu    sync.Mutex
	dead  map[poolkit.ID]bool
	seen  []visit
	now   int // checks under way
	most  int
	error error // of the latest context that ended during a check
}

type visit struct {
	id poolkit.ID
	at time.Time
}

func (d *doctor) check(ctx context.Context, c *conn) error {
	d.mu.Lock()
	d.seen = append(d.seen, visit{c.id, time.Now()})
	d.now++
	d.most = max(d.most, d.now)
	dead := d.dead[c.id]
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.now--
		d.mu.Unlock()
	}()
	defer func() {
		if c.shut.Load() > 0 {
			panic("a member was shut during its check, or before")
		}
	}()
	if err := pass(ctx, d.takes); err != nil {
		d.mu.Lock()
		d.error = context.Cause(ctx)
		d.mu.Unlock()
		return err
	}
	if dead {
		return errSilent
	}
	return nil
}

func (d *doctor) kill(ids ...poolkit.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead == nil {
		d.dead = make(map[poolkit.ID]bool)
	}
	for _, id := range ids {
		d.dead[id] = true
	}
}

func (d *doctor) visits() []visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen)
}

// patients is the configuration of a pool whose n members are examined.
func (d *doctor) patients(w *world, n int) poolkit.Config[*conn] {
	cfg := w.config(n)
	cfg.Check = d.check
	return cfg
}

func TestADeadMemberIsFoundByACheckAndReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: time.Second}
		cfg := d.patients(w, 3)
		cfg.Sizing = restless(3)
		cfg.Shut = func(c *conn) error {
			time.Sleep(5 * time.Second) // which its replacement does not wait for
			return shutConn(c)
		}
		left := exits(&cfg)
		var failures notes[error]
		cfg.Hooks.Failed = func(_ int, err error) { failures.add(err) }
		p := open(t, w, cfg)
		ready(t, p)
		d.kill(number(2))
		after(29 * time.Second)
		if n := len(d.visits()); n > 0 {
			t.Errorf("%d checks before the default interval of 30 s", n)
		}
		for p.Stats().Lost == 0 {
			after(time.Second / 4)
		}
		expect(t, p, "right after the check", 3, 0, 0, 0)
		after(10 * time.Second)
		all := left.list()
		if len(all) != 1 || all[0].id != number(2) || all[0].why != poolkit.Unhealthy {
			t.Errorf("left: %+v, want member 2, unhealthy", all)
		}
		expect(t, p, "after the check", 3, 0, 0, 0)
		if s := p.Stats(); s.Lost != 1 || s.Failed != 0 {
			t.Errorf("%d lost, %d failed; want 1, 0", s.Lost, s.Failed)
		}
		got := failures.list()
		if len(got) != 1 || !errors.Is(got[0], errSilent) || !strings.Contains(got[0].Error(), "check of member 00000002") {
			t.Errorf("the hook was told %v, want what the check found", got)
		}
	})
}

func TestEachMemberThatStandsIdleIsExaminedAtIntervals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: 100 * time.Millisecond}
		cfg := d.patients(w, 100)
		cfg.CheckInterval = 80 * time.Second
		p := open(t, w, cfg)
		ready(t, p)
		after(1000 * time.Second)
		last := make(map[poolkit.ID]time.Time)
		for _, v := range d.visits() {
			if before, seen := last[v.id]; seen {
				if gap := v.at.Sub(before); gap < 80*time.Second || gap > 92*time.Second {
					t.Errorf("member %v was examined again after %v, want 80 s and an eighth at most", v.id, gap)
				}
			}
			last[v.id] = v.at
		}
		if n := len(d.visits()); len(last) != 100 || n < 1000 || n > 1200 || d.most != 16 {
			t.Errorf("%d checks of %d members in 1000 s, %d at once; want 100 members in turn, 16 at once", n, len(last), d.most)
		}
	})
}

func TestAMemberThatWasLentLatelyIsNotExamined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{}
		cfg := d.patients(w, 1)
		cfg.NewestFirst = true
		cfg.CheckInterval = time.Minute
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		ready(t, p)
		l.Release()
		for range 100 {
			acquire(t, p).Release()
			after(20 * time.Second)
		}
		busy := 0
		for _, v := range d.visits() {
			if v.id == number(1) {
				busy++
			}
		}
		if n := len(d.visits()); busy > 1 || n < 25 {
			t.Errorf("%d checks in 2000 s, %d of the member that is lent all the time; want those of the other only", n, busy)
		}
	})
}

func TestAMemberThatIsExaminedIsLentToNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: 3 * time.Second}
		cfg := d.patients(w, 2)
		cfg.MaxDialing = 1 // so that they stand in the order of their numbers
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p) // now there are three
		ready(t, p)
		after(20 * time.Second)
		l.Release()
		after(12 * time.Second) // the other two are being examined, this one is not
		if s := p.Stats(); s.Idle != 3 || s.Checking != 2 {
			t.Fatalf("%d idle, %d of them examined; want 3, 2", s.Idle, s.Checking)
		}
		any, ok := p.TryAcquire()
		if !ok || any.ID() != l.ID() {
			t.Errorf("%v was lent (%t), want the one that is not examined", any.ID(), ok)
		}
		if other, ok := p.TryAcquire(); ok {
			t.Errorf("member %v was lent during its check", other.ID())
		}
		results := make(chan got, 3)
		call(results, 2, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), number(2)) })
		begun := time.Now()
		r := <-results
		if r.err != nil || r.lease.ID() != number(2) || time.Since(begun) > 3*time.Second || time.Since(begun) == 0 {
			t.Errorf("who asked for member 2 got %v, %v after %v; want it at the end of the check", r.lease.ID(), r.err, time.Since(begun))
		}
	})
}

func TestWhoWaitsForAMemberThatFailsItsCheckIsToldAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: time.Second}
		cfg := d.patients(w, 1)
		cfg.CheckInterval = 8 * time.Second
		p := open(t, w, cfg)
		ready(t, p)
		d.kill(number(1))
		for p.Stats().Checking == 0 {
			after(100 * time.Millisecond)
		}
		begun := time.Now()
		if _, err := p.AcquireID(t.Context(), number(1)); !errors.Is(err, poolkit.ErrLost) || time.Since(begun) > time.Second {
			t.Errorf("who waited for it was told %v after %v, want that it is lost, within a second", err, time.Since(begun))
		}
	})
}

func TestOneDeadMemberHasTheOthersExaminedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{delay: 9 * time.Second}, &doctor{takes: time.Second}
		cfg := d.patients(w, 50)
		cfg.CheckInterval = 10 * time.Minute
		cfg.MaxDialing = 1 // so that the members are due one after the other
		p := open(t, w, cfg)
		ready(t, p)
		for i := range 50 {
			d.kill(number(i + 1))
		}
		for p.Stats().Lost == 0 {
			after(time.Second)
		}
		if n := len(d.visits()); n != 1+16 {
			t.Errorf("%d checks right after the first has found a dead member, want 16 more", n)
		}
		after(4 * time.Second)
		if n := len(d.visits()); n != 50 || p.Stats().Lost != 50 {
			t.Errorf("%d checks found %d dead four seconds after the first, want 50", n, p.Stats().Lost)
		}
		expect(t, p, "then", 0, 0, 1, 0)
		ready(t, p)
		after(time.Minute)
		if n := len(d.visits()); n != 50 {
			t.Errorf("%d checks before any of the new members was due, want none but the 50", n)
		}
	})
}

func TestOneDeadMemberAmongTheLivingCostsEachOneCheck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: time.Second}
		cfg := d.patients(w, 50)
		cfg.CheckInterval = 10 * time.Minute
		cfg.MaxDialing = 1 // so that they stand in the order of their numbers
		p := open(t, w, cfg)
		ready(t, p)
		d.kill(number(3), number(4), number(49))
		after(15 * time.Minute)
		// All were due together, so those that had been examined before the death was found
		// are so again.
		if n := len(d.visits()); n < 50 || n > 50+16 || p.Stats().Lost != 3 {
			t.Errorf("%d checks found %d dead, want 50 to 66 and 3", n, p.Stats().Lost)
		}
	})
}

func TestACheckThatTakesTooLongIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: time.Hour}
		cfg := d.patients(w, 1)
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		for p.Stats().Checking == 0 {
			after(time.Second)
		}
		after(5 * time.Second)
		if all := left.list(); len(all) != 1 || all[0].why != poolkit.Unhealthy || !errors.Is(d.error, context.DeadlineExceeded) {
			t.Errorf("left: %+v, by %v; want one unhealthy after 5 s", all, d.error)
		}
		expect(t, p, "then", 1, 0, 0, 0)
	})
}

func TestACheckLeavesTheOrderAsItWas(t *testing.T) {
	for _, newest := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w, d := &world{}, &doctor{takes: time.Second}
			cfg := d.patients(w, 40)
			cfg.MaxDialing = 1
			cfg.NewestFirst = newest
			p := open(t, w, cfg)
			ready(t, p)
			after(time.Minute)
			if n := len(d.visits()); n < 40 || p.Stats().Checking > 0 {
				t.Fatalf("%d checks, %d under way", n, p.Stats().Checking)
			}
			for i := range 40 {
				want := number(i + 1)
				if newest {
					want = number(40)
					if i > 0 {
						want = number(40 + i) // the replacement of the one before
					}
				}
				l := acquire(t, p)
				synctest.Wait()
				if l.ID() != want {
					t.Errorf("newest first %t: member %v was lent, want %v", newest, l.ID(), want)
				}
			}
		})
	}
}

func TestAWatchIsStoppedForACheckAndStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(1)
		var watches atomic.Int32 // now
		cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
			if c.watcher == nil {
				c.watcher = w
			}
			watches.Add(1)
			return func() bool {
				watches.Add(-1)
				return !c.ended.Load()
			}
		}
		cfg.Check = func(_ context.Context, c *conn) error {
			if n := watches.Load(); n != 0 {
				t.Errorf("%d watches during a check", n)
			}
			return nil
		}
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		after(2 * time.Minute)
		if n := watches.Load(); n != 1 {
			t.Errorf("%d watches after checks, want one", n)
		}
		watches.Add(-1)
		w.members()[0].end()
		after(time.Second)
		if all := left.list(); len(all) != 1 || all[0].why != poolkit.Gone {
			t.Errorf("left: %+v, want one gone", all)
		}
		// A member whose end nobody was told of is found when its watch is stopped.
		w.members()[1].ended.Store(true)
		after(time.Minute)
		if all := left.list(); len(all) != 2 || all[1].why != poolkit.Gone || p.Stats().Lost != 2 {
			t.Errorf("left: %+v, %d lost; want another gone", all, p.Stats().Lost)
		}
		expect(t, p, "in the end", 1, 0, 0, 0)
	})
}

func TestAMemberThatSaysItEndsDuringItsCheckIsShutAfterwards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: time.Second}
		cfg := watched(d.patients(w, 1))
		watch := cfg.Watch
		var watches atomic.Int32 // now
		cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
			stop := watch(c, w)
			watches.Add(1)
			return func() bool {
				watches.Add(-1)
				return stop()
			}
		}
		left := exits(&cfg)
		p := open(t, w, cfg)
		ready(t, p)
		for p.Stats().Checking == 0 {
			after(time.Second / 4)
		}
		c := w.members()[0]
		c.watcher.Leaving()
		c.end() // a call that was under way when the watch was stopped
		synctest.Wait()
		if c.shut.Load() != 0 {
			t.Error("a member was shut during its check")
		}
		if _, ok := p.TryAcquireID(c.id); ok {
			t.Error("a member was lent that has ended")
		}
		after(2 * time.Second)
		if all := left.list(); len(all) != 1 || all[0].why != poolkit.Gone || p.Stats().Lost != 1 {
			t.Errorf("left: %+v, %d lost; want one gone", all, p.Stats().Lost)
		}
		expect(t, p, "then", 1, 0, 0, 0)
		if n := watches.Load(); n != 1 {
			t.Errorf("%d watches, want that of the new member", n)
		}
	})
}

func TestSurplusIsNotShutDuringItsCheck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: 5 * time.Minute}
		cfg := d.patients(w, 3)
		cfg.CheckTimeout = time.Hour
		left := exits(&cfg)
		p := open(t, w, cfg)
		var ls []poolkit.Lease[*conn]
		for range 5 {
			ls = append(ls, acquire(t, p))
		}
		for _, l := range ls {
			l.Release()
		}
		after(4 * time.Minute)
		expect(t, p, "while all are examined", 8, 0, 0, 0)
		p.Resize(2, 2) // which looks for surplus at once
		after(time.Minute / 2)
		expect(t, p, "after a resize", 8, 0, 0, 0)
		for p.Stats().Checking > 0 {
			after(time.Second)
		}
		p.Resize(2, 2)
		after(time.Second)
		expect(t, p, "after another, when the checks are over", 2, 0, 0, 0)
		if n := len(because(left.list(), poolkit.Surplus)); n != 6 {
			t.Errorf("%d were surplus, want 6", n)
		}
	})
}

// In a pool that only accepts nothing follows a death but the next step of the policy.
func TestThePolicyIsToldOfMembersThatFailTheirCheck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{}
		ps := newPeers(w)
		cfg := d.patients(w, 3)
		cfg.Dialer, cfg.Acceptor = nil, ps
		var seen notes[sizing.Observation]
		cfg.Sizing = counted(sizing.Fixed(3), &seen)
		p := open(t, w, cfg)
		o := ps.offer(&offer{})
		ready := p.WaitReady(t.Context(), 1)
		d.kill(o.admitted.id)
		after(2 * time.Minute)
		lost := 0
		for _, o := range seen.list() {
			lost += o.Expired
		}
		if ready != nil || lost != 1 {
			t.Errorf("the policy was told of %d lost, want one (%v)", lost, ready)
		}
	})
}

func TestFlushCloseAndShutdownDoNotShutAMemberDuringItsCheck(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *poolkit.Pool[*conn]){
		"Flush": func(t *testing.T, p *poolkit.Pool[*conn]) {
			p.Flush()
			if s := p.Stats(); s.Closing != 16 {
				t.Errorf("after Flush %d are closing, want those being examined", s.Closing)
			}
			after(time.Minute)
			expect(t, p, "a minute after Flush", 20, 0, 0, 0)
		},
		"Close": func(t *testing.T, p *poolkit.Pool[*conn]) {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		},
		"Shutdown": func(t *testing.T, p *poolkit.Pool[*conn]) {
			if err := p.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"Shutdown in vain": func(t *testing.T, p *poolkit.Pool[*conn]) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := p.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, d := &world{}, &doctor{takes: 4 * time.Second}
				cfg := d.patients(w, 20)
				left := exits(&cfg)
				var failures notes[error]
				cfg.Hooks.Failed = func(_ int, err error) { failures.add(err) }
				p := open(t, w, cfg)
				ready(t, p)
				for p.Stats().Checking < 16 {
					after(time.Second / 4)
				}
				results := make(chan got, 1)
				if name != "Flush" {
					examined := d.visits()[0].id
					call(results, 0, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), examined) })
				}
				begun := time.Now()
				end(t, p)
				if name != "Flush" {
					if took := time.Since(begun); took > 0 || d.error == nil {
						t.Errorf("%s took %v; the checks were told %v, want that their context ended at once", name, took, d.error)
					}
					if r := <-results; !errors.Is(r.err, poolkit.ErrClosed) {
						t.Errorf("who waited for a member that was being examined was told %v", r.err)
					}
				}
				for _, e := range left.list() {
					if e.why != poolkit.Flushed && e.why != poolkit.PoolClosed {
						t.Errorf("member %v left: %v", e.id, e.why)
					}
				}
				p.Close()
				if all := failures.list(); len(all) > 0 {
					t.Errorf("failures: %v", all)
				}
			})
		})
	}
}

func TestAMemberBeingExaminedWhileThePoolAnnouncesItsEndCanStillBeAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{}, &doctor{takes: 2 * time.Second}
		cfg := d.patients(w, 1)
		var p *poolkit.Pool[*conn]
		cfg.Announce = func(ctx context.Context) {
			l, err := p.AcquireID(ctx, number(1))
			if err != nil {
				t.Errorf("while the pool announces its end, who asks for the ID is told %v", err)
				return
			}
			l.Discard()
		}
		p = open(t, w, cfg)
		ready(t, p)
		for p.Stats().Checking == 0 {
			after(time.Second / 4)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Were new members that fail their checks replaced at once, a server that answers
// nothing would be dialled without a pause.
func TestAPeerWhoseMembersAllFailTheirFirstCheckIsDialledAtThePaceOfFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(10)
		cfg.CheckInterval = 10 * time.Millisecond
		cfg.Check = func(context.Context, *conn) error { return errSilent }
		p := open(t, w, cfg)
		after(time.Minute)
		before := w.dialled()
		after(time.Minute)
		if n := w.dialled() - before; n == 0 || n > 10*60 {
			t.Errorf("%d dials in the second minute", n)
		}
		if last := p.Stats().LastError; !errors.Is(last, errSilent) {
			t.Errorf("the latest failure is %v, want what the check found", last)
		}
	})
}

func TestCallersThatGiveUpWhileChecksRunLoseNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, d := &world{delay: 20 * time.Millisecond}, &doctor{takes: 50 * time.Millisecond}
		cfg := watched(d.patients(w, 8))
		cfg.CheckInterval = 80 * time.Millisecond
		cfg.Places, cfg.MaxShards = 12, 1
		p := open(t, w, cfg)
		ready(t, p)
		var users sync.WaitGroup
		for user := range 50 {
			rng := rand.New(rand.NewPCG(1, uint64(user)))
			users.Go(func() {
				for range 100 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(60))*time.Millisecond)
					var l poolkit.Lease[*conn]
					var err error
					if rng.IntN(2) == 0 {
						l, err = p.Acquire(ctx)
					} else {
						l, err = p.AcquireID(ctx, number(1+rng.IntN(len(w.members()))))
					}
					cancel()
					if err != nil {
						continue
					}
					if l.Conn().shut.Load() != 0 {
						t.Error("a member was lent that has been shut")
					}
					time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
					if rng.IntN(10) == 0 {
						d.kill(l.ID())
					}
					l.Release()
				}
			})
		}
		users.Wait()
		d.mu.Lock()
		d.dead = nil
		d.mu.Unlock()
		after(5 * time.Minute)
		expect(t, p, "afterwards", 8, 0, 0, 0)
		if n := len(d.visits()); n < 100 || p.Stats().Lost == 0 {
			t.Errorf("%d checks found %d dead, want many", n, p.Stats().Lost)
		}
	})
}
