package pooltest

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// The pools of the suite.
const (
	kept    = 4  // idle members
	places  = 12 // in all, where the pool dials
	spread  = 3  // shards that they are on, if the backend allows it
	dialing = 3  // dials under way at most

	// everybody is how many members are used at once.
	everybody = 8

	// dialTimeout ends dials to a silent peer. On a busy machine it may end others, too,
	// which has to be no matter where it is used.
	dialTimeout = 2 * time.Second

	// examined is how often idle members are examined, where that is wanted.
	examined = 100 * time.Millisecond
)

// How long to wait for what has to happen. In a bubble it costs nothing.
const (
	patience       = 30 * time.Second
	bubblePatience = 5 * time.Minute
)

// rig is one backend with its pool. It stands between the two, and sees and spoils what
// they do.
type rig[C comparable] struct {
	testing.TB
	backend Backend[C]
	bubble  bool

	// For the check to set before it opens the pool.
	gate     Gate                                      // for chaos; open in the end
	chaos    func(poolkit.Dialer[C]) poolkit.Dialer[C] // around Dial, and around Admit
	hurts    func(callback string)                     // called by each callback; may panic
	examines bool                                      // Check is called often
	stalls   bool                                      // dials of a silent peer are to end
	moment   int                                       // which of the check's moments it is
	passes   func(event int)                           // told of each event, by whoever causes it

	pool   atomic.Pointer[poolkit.Pool[C]]
	census census[C]
	meter  Meter
	events atomic.Int64 // where passes is told of them
	echoes atomic.Int64
	places int  // of the pool; zero where its peers decide how much is open
	single bool // its members are of single use

	panics sightings // of injected panics, by callback

	deaf         atomic.Bool  // the pool does not hear what a watch tells
	closings     atomic.Int64 // calls of Closed
	examinations atomic.Int64 // calls of Check

	opened, closed atomic.Bool
}

// open opens the pool.
func (r *rig[C]) open() *poolkit.Pool[C] {
	r.Helper()
	cfg := r.backend.Config
	r.single = cfg.SingleUse
	cfg.MinCapacity, cfg.MaxCapacity, cfg.Sizing = kept, kept, steady(kept)
	if cfg.DialTimeout != poolkit.NoTimeout {
		cfg.DialTimeout = r.patience()
		if r.stalls {
			cfg.DialTimeout = dialTimeout
		}
	}
	cfg.MaxAge, cfg.MaxIdle, cfg.MaxUses, cfg.Budget = 0, 0, 0, nil
	if cfg.Check != nil {
		cfg.CheckInterval, cfg.CheckTimeout = time.Hour, 0
		if r.examines || cfg.Watch == nil && cfg.Healthy == nil {
			cfg.CheckInterval = examined
		}
	}
	if cfg.Dialer != nil {
		r.limit(&cfg)
	}
	p, err := poolkit.New(r.tapped(cfg))
	if err != nil {
		r.Fatalf("poolkit.New does not accept the backend's Config: %v", err)
	}
	r.opened.Store(true)
	r.pool.Store(p)
	return p
}

// limit makes the places of a pool that dials so few that all can be used.
func (r *rig[C]) limit(cfg *poolkit.Config[C]) {
	r.Helper()
	cfg.MaxDialing = dialing
	most := cmp.Or(cfg.MaxShards, places)
	each := (places + min(spread, most) - 1) / min(spread, most)
	if cfg.Places > 0 {
		each = min(each, cfg.Places)
	}
	shards := (places + each - 1) / each
	if shards > most {
		r.Fatalf("the backend's Config has room for %d members (Places %d × MaxShards %d): the suite needs %d",
			cfg.Places*cfg.MaxShards, cfg.Places, cfg.MaxShards, places)
	}
	cfg.Places, cfg.MaxShards = each, shards
	r.places = each * shards
}

// steady is a policy that always wants the same number, and is asked often.
type steady int

func (n steady) Step(o sizing.Observation) sizing.Decision {
	target := max(o.MinCapacity, min(int(n), o.MaxCapacity))
	return sizing.Decision{Target: target, Wait: 20 * time.Millisecond, Settled: true}
}

// ready opens the pool and waits until it is full.
func (r *rig[C]) ready() *poolkit.Pool[C] {
	r.Helper()
	p := r.open()
	r.full()
	return p
}

// full waits until the pool is full.
func (r *rig[C]) full() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.patience())
	defer cancel()
	if err := r.pool.Load().WaitReady(ctx, kept); err != nil {
		r.Fatalf("the pool does not fill: %v", err)
	}
}

// acquire acquires a member, which has to work.
func (r *rig[C]) acquire() poolkit.Lease[C] {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.patience())
	defer cancel()
	l, err := r.pool.Load().Acquire(ctx)
	if err != nil {
		r.Fatalf("Acquire: %v", err)
	}
	return l
}

// briefly is for waits that are in vain.
func (r *rig[C]) briefly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 20*time.Millisecond)
}

// needs skips the check where the backend lacks what it needs.
func (r *rig[C]) needs(has bool, what string) {
	r.Helper()
	if !has {
		r.Skipf("not checked: the backend has no %s", what)
	}
}

func (r *rig[C]) patience() time.Duration {
	if r.bubble {
		return bubblePatience
	}
	return patience
}

// poll waits until something is true, and reports whether it came true. It looks more
// and more seldom.
func poll(bubble bool, ok func() bool) bool {
	bound := patience
	if bubble {
		bound = bubblePatience
	}
	deadline := time.Now().Add(bound)
	for pause := time.Millisecond; !ok(); pause = min(2*pause, bound/600) {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(pause)
	}
	return true
}

// eventually fails the check if something does not come true. When the check has failed
// already it ends here: what else is wrong may follow from that.
func (r *rig[C]) eventually(ok func() bool, format string, args ...any) {
	r.Helper()
	came := poll(r.bubble, func() bool { return r.Failed() || ok() })
	if r.Failed() {
		r.FailNow()
	}
	if !came {
		r.Errorf(format, args...)
		r.Fatalf("that is how it stands after %v: %v", r.patience(), r.stands())
	}
}

// within fails the check if f does not return.
func (r *rig[C]) within(f func(), format string, args ...any) {
	r.Helper()
	done := make(chan struct{}) // closed by the goroutine, which ends with f
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(r.patience()):
		r.Errorf(format, args...)
		r.Fatalf("that is how it stands after %v: %v", r.patience(), r.stands())
	}
}

// rest lets everything happen that is about to. In real time it does nothing: there a
// check must not depend on it.
func (r *rig[C]) rest() {
	if r.bubble {
		<-time.After(time.Second) // for what is on its way
		synctest.Wait()
	}
}

var errInjected = errors.New("a failure that the suite has injected")
