package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
	"github.com/vistone/poolkit/sizing"
)

// stamped is a member that knows who has it.
type stamped struct {
	key     string
	owner   atomic.Int32 // 0: nobody
	shut    atomic.Int32
	ended   atomic.Bool
	watcher atomic.Pointer[poolkit.Watcher]
}

// stress is everything that can happen to a Pool, all at once, until it is closed in the
// middle of it.
type stress struct {
	t      *testing.T
	p      *keyed.Pool[string, *stamped]
	budget int // never more
	closed atomic.Bool
	open   atomic.Int32 // on the far side
	most   atomic.Int32
	twice  atomic.Int32 // owners who met another
	served atomic.Int32

	mu   sync.Mutex
	made []*stamped
}

// chance is true once in n.
func chance(n int) bool { return rand.IntN(n) == 0 }

func (s *stress) key() string { return fmt.Sprint("key", rand.IntN(1+rand.IntN(20))) }

func (s *stress) pool(key string) (poolkit.Config[*stamped], error) {
	switch {
	case s.closed.Load():
		s.t.Error("a pool was made after Close had returned")
	case chance(50):
		return poolkit.Config[*stamped]{}, errRefused
	case chance(100):
		panic("pool")
	case chance(3):
		runtime.Gosched()
	}
	keep := rand.IntN(3)
	cfg := poolkit.Config[*stamped]{
		Dialer:      poolkit.DialerFunc[*stamped](func(context.Context, int) (poolkit.ID, *stamped, error) { return s.dial(key) }),
		Shut:        s.shut,
		MinCapacity: keep, MaxCapacity: keep + 1, Sizing: sizing.Fixed(keep),
		Places: 1 + rand.IntN(4), MaxShards: 1 + rand.IntN(3),
		SingleUse: chance(4),
	}
	if chance(2) {
		cfg.Watch = func(c *stamped, w poolkit.Watcher) func() bool {
			if chance(200) {
				panic("watch")
			}
			c.watcher.Store(&w)
			return func() bool { return !c.ended.Load() }
		}
		cfg.Healthy = func(c *stamped) bool { return !c.ended.Load() && !chance(100) }
	}
	return cfg, nil
}

func (s *stress) dial(key string) (poolkit.ID, *stamped, error) {
	n := s.open.Add(1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
		continue
	}
	switch {
	case chance(20):
		s.open.Add(-1)
		return poolkit.ID{}, nil, errRefused
	case chance(100):
		s.open.Add(-1)
		return poolkit.ID{}, nil, poolkit.Permanent(errRefused)
	case chance(100):
		s.open.Add(-1)
		panic("dial")
	case chance(3):
		runtime.Gosched()
	}
	c := &stamped{key: key}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, c)
	return poolkit.RandomID(), c, nil
}

func (s *stress) shut(c *stamped) error {
	if chance(3) {
		runtime.Gosched()
	}
	if c.shut.Add(1) == 1 {
		s.open.Add(-1)
	}
	if chance(50) {
		panic("shut")
	}
	return nil
}

func (s *stress) use(me int32, l poolkit.Lease[*stamped]) {
	c := l.Conn()
	s.served.Add(1)
	if !c.owner.CompareAndSwap(0, me) {
		s.twice.Add(1)
	}
	if chance(4) {
		runtime.Gosched()
	}
	if !c.owner.CompareAndSwap(me, 0) {
		s.twice.Add(1)
	}
	switch rand.IntN(8) {
	case 0:
		l.Discard()
	case 1:
		go l.Release()
		l.Discard()
	case 2:
		s.open.Add(-1) // it is closed before its place is given away
		if l.Hijack() {
			c.shut.Add(1)
		} else {
			s.open.Add(1)
		}
	default:
		l.Release()
		if chance(5) {
			l.Release()
		}
	}
}

func (s *stress) borrow(me int32, turns int) {
	for range turns {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3000))*time.Microsecond)
		switch rand.IntN(12) {
		case 0:
			cancel() // before it begins
		case 1:
			go cancel() // somewhere in between
		}
		var l poolkit.Lease[*stamped]
		var err error
		key := s.key()
		switch rand.IntN(10) {
		case 0:
			var ok bool
			if l, ok = s.p.TryAcquire(key); !ok {
				err = errRefused
			}
		case 1:
			l, err = s.p.AcquireID(ctx, key, poolkit.RandomID())
		case 2:
			if err = s.p.WaitReady(ctx, key, 1); err == nil {
				err = errRefused
			}
		default:
			l, err = s.p.Acquire(ctx, key)
		}
		cancel()
		switch {
		case err == nil:
			if l.Conn().key != key {
				s.t.Errorf("asked for a member of %s, got one of %s", key, l.Conn().key)
			}
			s.use(me, l)
		case errors.Is(err, poolkit.ErrClosed):
			if s.p.Stats().Keys > 0 && !s.closing() {
				s.t.Errorf("told %v though the Pool is not closed", err)
			}
			return
		}
	}
}

// closing reports whether a Pool refuses a new key.
func (s *stress) closing() bool {
	_, err := s.p.Acquire(context.Background(), "probe")
	return errors.Is(err, poolkit.ErrClosed)
}

func (s *stress) disturb(turns int) {
	for range turns {
		switch rand.IntN(30) {
		case 0:
			s.p.Flush(s.key())
		case 1, 2:
			s.p.Remove(s.key())
		case 3:
			_ = s.p.SetBudget(1 + rand.IntN(s.budget))
		case 4:
			for range s.p.All() {
				continue
			}
		default:
			s.mu.Lock()
			var c *stamped
			if n := len(s.made); n > 0 {
				c = s.made[max(0, n-1-rand.IntN(20))]
			}
			s.mu.Unlock()
			if c != nil && chance(3) {
				c.ended.Store(true)
				if w := c.watcher.Load(); w != nil {
					(*w).Gone()
				}
			}
		}
		runtime.Gosched()
	}
}

func TestWhateverHappensAtOnce(t *testing.T) {
	cycles, turns := 60, 150
	if testing.Short() || underRace {
		cycles, turns = 20, 80
	}
	served, opened := int32(0), uint64(0)
	for cycle := range cycles {
		s := &stress{t: t, budget: 1 + cycle%9}
		p, err := keyed.New(keyed.Config[string, *stamped]{
			Pool:    s.pool,
			Budget:  s.budget,
			MaxIdle: time.Duration(1+cycle%7) * time.Millisecond,
			Hooks: keyed.Hooks[string]{
				Closed: func(string, error) {
					if chance(20) {
						panic("closed")
					}
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.p = p
		var users sync.WaitGroup
		for i := range 8 {
			users.Go(func() { s.borrow(int32(i+1), turns) })
		}
		users.Go(func() { s.disturb(turns) })
		enough := int32(rand.IntN(2 * turns)) // uses, before it is closed
		var gone atomic.Bool
		go func() { // ends with the users, who are waited for below
			users.Wait()
			gone.Store(true)
		}()
		for s.served.Load() < enough && !gone.Load() {
			runtime.Gosched()
		}
		closing := make(chan struct{}, 3)
		for i := range 3 {
			go func() {
				if i == 0 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					_ = p.Shutdown(ctx)
					closing <- struct{}{}
					return
				}
				_ = p.Close() // reports what Shutdown has met
				closing <- struct{}{}
			}()
		}
		for range 3 {
			select {
			case <-closing:
			case <-time.After(60 * time.Second):
				t.Fatalf("cycle %d: Close hangs: %+v", cycle, p.Stats())
			}
		}
		s.closed.Store(true)
		users.Wait()
		if st := p.Stats(); st.Open != 0 || st.Waiting != 0 || st.Keys != 0 || st.Closing != 0 {
			t.Fatalf("cycle %d: %+v is left over", cycle, st)
		}
		if n := s.open.Load(); n != 0 {
			t.Fatalf("cycle %d: %d are open on the far side", cycle, n)
		}
		if n := s.most.Load(); int(n) > s.budget {
			t.Fatalf("cycle %d: %d were open at once, the budget was at most %d", cycle, n, s.budget)
		}
		if n := s.twice.Load(); n != 0 {
			t.Fatalf("cycle %d: %d borrowers met another", cycle, n)
		}
		for _, c := range s.made {
			if n := c.shut.Load(); n != 1 {
				t.Fatalf("cycle %d: a member was shut %d times", cycle, n)
			}
		}
		served += s.served.Load()
		opened += p.Stats().Opened
	}
	if served == 0 {
		t.Error("nobody was served")
	}
	t.Logf("%d served by %d pools in %d cycles", served, opened, cycles)
}
