package poolkit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// stamped is a member that knows who has it.
type stamped struct {
	owner   atomic.Int32 // 0: nobody
	shut    atomic.Int32
	ended   atomic.Bool
	peer    string
	watcher atomic.Pointer[poolkit.Watcher]
}

// stress is everything that can happen to a pool, all at once, until it is closed in
// the middle of it.
type stress struct {
	t      *testing.T
	p      *poolkit.Pool[*stamped]
	closed atomic.Bool
	twice  atomic.Int32 // owners who met another
	checks atomic.Int32

	mu   sync.Mutex
	made []*stamped
}

// stressPeers are the peers of a pool under stress.
var stressPeers = []string{"a", "b", "c"}

// chance is true once in n.
func chance(n int) bool { return rand.IntN(n) == 0 }

func (s *stress) dial(context.Context, int) (poolkit.ID, *stamped, error) {
	switch {
	case s.closed.Load():
		s.t.Error("a dial began after Close had returned")
	case chance(20):
		return poolkit.ID{}, nil, errRefused
	case chance(50):
		return poolkit.ID{}, nil, poolkit.ErrShardFull
	case chance(100):
		panic("dial")
	case chance(3):
		runtime.Gosched()
	}
	return poolkit.ID{3: byte(rand.IntN(100))}, s.make(), nil
}

func (s *stress) make() *stamped {
	c := &stamped{peer: stressPeers[rand.IntN(len(stressPeers))]}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, c)
	return c
}

func (s *stress) Accept(ctx context.Context) (poolkit.Offer[*stamped], error) {
	select {
	case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
		return stressOffer{s}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type stressOffer struct{ s *stress }

func (stressOffer) Shard() int { return rand.IntN(5) }
func (stressOffer) Refuse()    {}
func (o stressOffer) Admit(context.Context, poolkit.ID) (*stamped, error) {
	if chance(10) {
		return nil, errRefused
	}
	return o.s.make(), nil
}

func (s *stress) config(cycle int) poolkit.Config[*stamped] {
	cfg := poolkit.Config[*stamped]{
		Dialer:      poolkit.DialerFunc[*stamped](s.dial),
		MinCapacity: 4, MaxCapacity: 16, Places: 8, MaxShards: 4, MaxDialing: 6,
		SingleUse:   cycle%3 == 1,
		NewestFirst: cycle%4 == 2,
		Shut: func(c *stamped) error {
			if n := c.shut.Add(1); n != 1 {
				s.t.Errorf("a member was shut %d times", n)
			}
			if c.owner.Load() == -1 {
				s.t.Error("a member was shut during its check")
			}
			if chance(50) {
				panic("shut")
			}
			return nil
		},
		Closed: func() error {
			s.closed.Store(true)
			return nil
		},
	}
	if cycle%2 == 0 {
		cfg.Acceptor = s
	}
	if cycle%3 != 0 {
		cfg.Peer = func(c *stamped) string {
			if chance(200) {
				panic("peer")
			}
			return c.peer
		}
	}
	if cycle%5 != 0 {
		cfg.Watch = func(c *stamped, w poolkit.Watcher) func() bool {
			if chance(200) {
				panic("watch")
			}
			c.watcher.Store(&w)
			return func() bool { return !c.ended.Load() }
		}
		cfg.Healthy = func(c *stamped) bool { return !c.ended.Load() && !chance(100) }
	}
	if cycle%2 == 1 {
		cfg.MaxAge, cfg.MaxIdle = 5*time.Millisecond, 2*time.Millisecond
		if !cfg.SingleUse {
			cfg.MaxUses = 30
		}
	}
	if cycle%3 != 2 {
		cfg.Check, cfg.CheckInterval, cfg.CheckTimeout = s.check, 10*time.Microsecond, time.Millisecond
	}
	return cfg
}

// check is what an examiner does: nobody else may have the member meanwhile.
func (s *stress) check(ctx context.Context, c *stamped) error {
	if !c.owner.CompareAndSwap(0, -1) || c.shut.Load() != 0 {
		s.twice.Add(1)
	}
	defer func() {
		if !c.owner.CompareAndSwap(-1, 0) || c.shut.Load() != 0 {
			s.twice.Add(1)
		}
	}()
	s.checks.Add(1)
	switch {
	case chance(20):
		<-ctx.Done()
		return ctx.Err()
	case chance(100):
		panic("check")
	case chance(100):
		runtime.Goexit()
	case chance(20):
		return errRefused
	case chance(3):
		runtime.Gosched()
	}
	return nil
}

// use is what a borrower does: nobody else may have the member meanwhile.
func (s *stress) use(me int32, l poolkit.Lease[*stamped]) {
	c := l.Conn()
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
		if l.Hijack() {
			c.shut.Add(1)
		}
	default:
		l.Release()
		if chance(5) {
			l.Release()
			l.Discard()
		}
	}
}

func (s *stress) borrow(me int32, turns int) {
	for range turns {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(2000))*time.Microsecond)
		switch rand.IntN(12) {
		case 0:
			cancel() // before it begins
		case 1:
			go cancel() // somewhere in between
		}
		var l poolkit.Lease[*stamped]
		var err error
		id := poolkit.ID{3: byte(rand.IntN(100))}
		peer := stressPeers[rand.IntN(len(stressPeers))]
		switch rand.IntN(9) {
		case 0:
			var ok bool
			if l, ok = s.p.TryAcquire(); !ok {
				err = errRefused
			}
		case 1:
			l, err = s.p.AcquireID(ctx, id)
		case 2, 3, 4:
			l, err = s.p.AcquireFrom(ctx, peer)
			if err == nil && (l.Peer() != peer || l.Conn().peer != peer) {
				s.t.Errorf("asked for a member of peer %s, got one of %s", peer, l.Peer())
			}
		case 5:
			var ok bool
			if l, ok = s.p.TryAcquireFrom(peer); !ok {
				err = errRefused
			}
		default:
			l, err = s.p.Acquire(ctx)
		}
		cancel()
		if err == nil {
			s.use(me, l)
		} else if errors.Is(err, poolkit.ErrClosed) {
			return
		}
	}
}

func (s *stress) disturb(turns int) {
	for range turns {
		switch rand.IntN(40) {
		case 0:
			s.p.Flush()
		case 1, 2:
			s.p.Resize(rand.IntN(8), rand.IntN(20))
		default:
			s.mu.Lock()
			var c *stamped
			if n := len(s.made); n > 0 {
				c = s.made[max(0, n-1-rand.IntN(20))]
			}
			s.mu.Unlock()
			if c != nil && chance(3) {
				w := c.watcher.Load()
				if w != nil && chance(2) {
					(*w).Leaving()
					runtime.Gosched()
				}
				c.ended.Store(true)
				if w != nil {
					(*w).Gone()
				}
			}
		}
		if st := s.p.Stats(); st.Open() > 32 {
			s.t.Errorf("%d open in a pool with 32 places", st.Open())
		}
		open := 0
		for _, peer := range s.p.Peers() {
			open += peer.Idle + peer.OnLoan + peer.Closing
		}
		if open > 32 {
			s.t.Errorf("peers have %d members in a pool with 32 places", open)
		}
		runtime.Gosched()
	}
}

func TestNothingIsLentTwiceAndNothingIsLeftOver(t *testing.T) {
	cycles, turns := 120, 60
	if testing.Short() {
		cycles = 20
	}
	var created uint64
	var checks int32
	for cycle := range cycles {
		s := &stress{t: t}
		p, err := poolkit.New(s.config(cycle))
		if err != nil {
			t.Fatal(err)
		}
		s.p = p
		var users sync.WaitGroup
		for i := range int32(12) {
			users.Go(func() { s.borrow(i+1, turns) })
		}
		users.Go(func() { s.disturb(turns * 3) })
		if cycle%4 != 0 { // else when the users are done
			time.Sleep(time.Duration(rand.IntN(4000)) * time.Microsecond)
		} else {
			users.Wait()
		}
		closing := make(chan error, 3)
		for i := range 3 {
			go func() {
				if i == 0 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
					defer cancel()
					_ = p.Shutdown(ctx)
					closing <- nil
					return
				}
				closing <- p.Close()
			}()
		}
		for range 3 {
			select {
			case err := <-closing:
				if err != nil {
					t.Fatalf("cycle %d: %v", cycle, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("cycle %d: Close hangs: %+v", cycle, p.Stats())
			}
		}
		users.Wait()
		if st := p.Stats(); st.Open() != 0 || st.Waiting != 0 {
			t.Fatalf("cycle %d: %+v is left over", cycle, st)
		}
		if all := p.Peers(); len(all) != 0 {
			t.Fatalf("cycle %d: peers are left over: %+v", cycle, all)
		}
		if n := s.twice.Load(); n != 0 {
			t.Fatalf("cycle %d: %d borrowers met another", cycle, n)
		}
		for _, c := range s.made {
			if n := c.shut.Load(); n != 1 {
				t.Fatalf("cycle %d: a member was shut %d times", cycle, n)
			}
		}
		created += p.Stats().Created
		checks += s.checks.Load()
	}
	t.Logf("%d members in %d pools, and %d checks", created, cycles, checks)
}
