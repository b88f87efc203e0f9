package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
	"github.com/vistone/poolkit/sizing"
)

var errRefused = errors.New("refused")

// conn is a member of the pools under test.
type conn struct {
	key     string
	id      poolkit.ID
	shut    atomic.Int32
	ended   atomic.Bool
	watcher poolkit.Watcher
}

// world is the far side: it sees what is open, from before it is dialled until it has
// been shut.
type world struct {
	dialTakes, shutTakes time.Duration

	mu    sync.Mutex
	fails map[string]error
	open  map[string]int
	all   int
	most  int // open at once, over all keys
	dials int
	made  []*conn
	pools map[string]int // how often the pool of a key was made
}

func newWorld() *world {
	return &world{fails: make(map[string]error), open: make(map[string]int), pools: make(map[string]int)}
}

func (w *world) count(key string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[key] += n
	w.all += n
	w.most = max(w.most, w.all)
	if n > 0 {
		w.dials++
	}
}

func (w *world) dial(ctx context.Context, key string) (poolkit.ID, *conn, error) {
	w.count(key, 1)
	var err error
	// The race detector of Go 1.26 does not bear timers of no time in a bubble: it crashes.
	if w.dialTakes > 0 {
		timer := time.NewTimer(w.dialTakes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	w.mu.Lock()
	if err == nil {
		err = w.fails[key]
	}
	n := len(w.made)
	c := &conn{key: key, id: poolkit.ID{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}}
	if err == nil {
		w.made = append(w.made, c)
	}
	w.mu.Unlock()
	if err != nil {
		w.count(key, -1)
		return poolkit.ID{}, nil, err
	}
	return c.id, c, nil
}

func (w *world) shut(c *conn) error {
	if w.shutTakes > 0 {
		time.Sleep(w.shutTakes)
	}
	if c.shut.Add(1) == 1 {
		w.count(c.key, -1)
	}
	return nil
}

// breaks makes the dials of a key fail from now on, or, with nil, succeed again.
func (w *world) breaks(key string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[key] = err
}

func (w *world) dialled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}

func (w *world) openOf(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open[key]
}

func (w *world) poolsOf(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pools[key]
}

// pool is the configuration of a key's pool that keeps so many members ready.
func (w *world) pool(key string, keep int) poolkit.Config[*conn] {
	w.mu.Lock()
	w.pools[key]++
	w.mu.Unlock()
	return poolkit.Config[*conn]{
		Dialer: poolkit.DialerFunc[*conn](func(ctx context.Context, _ int) (poolkit.ID, *conn, error) {
			return w.dial(ctx, key)
		}),
		Shut: w.shut,
		Watch: func(c *conn, x poolkit.Watcher) func() bool {
			c.watcher = x
			return func() bool { return !c.ended.Load() }
		},
		MinCapacity: keep, MaxCapacity: max(keep, 1), Sizing: sizing.Fixed(keep),
	}
}

// config is of a Pool whose keys keep so many members ready.
func (w *world) config(budget, keep int) keyed.Config[string, *conn] {
	return keyed.Config[string, *conn]{
		Pool:   func(key string) (poolkit.Config[*conn], error) { return w.pool(key, keep), nil },
		Budget: budget,
	}
}

// each changes the configuration of every key's pool.
func each(cfg *keyed.Config[string, *conn], change func(key string, c *poolkit.Config[*conn])) {
	inner := cfg.Pool
	cfg.Pool = func(key string) (poolkit.Config[*conn], error) {
		c, err := inner(key)
		change(key, &c)
		return c, err
	}
}

// madeLate makes no key's pool before the test closes the channel.
func madeLate(cfg *keyed.Config[string, *conn]) chan<- struct{} {
	inner, let := cfg.Pool, make(chan struct{})
	cfg.Pool = func(key string) (poolkit.Config[*conn], error) {
		<-let
		return inner(key)
	}
	return let
}

// open opens a Pool for a test. At its end the Pool is closed, and then every member must
// have been shut once, and the budget never exceeded.
func open(t *testing.T, w *world, cfg keyed.Config[string, *conn]) *keyed.Pool[string, *conn] {
	t.Helper()
	p, err := keyed.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, c := range w.made {
			if n := c.shut.Load(); n != 1 {
				t.Errorf("member %v of %s was shut %d times, want once", c.id, c.key, n)
			}
		}
		if w.all != 0 {
			t.Errorf("the far side has %d open after Close", w.all)
		}
		if w.most > cfg.Budget {
			t.Errorf("the far side had %d open at once, the budget is %d", w.most, cfg.Budget)
		}
		if s := p.Stats(); s.Open != 0 || s.Closing != 0 || s.Waiting != 0 || s.Keys != 0 {
			t.Errorf("after Close: %+v, want nothing", s)
		}
	})
	return p
}

type pool = keyed.Pool[string, *conn]

type lease = poolkit.Lease[*conn]

func acquire(t *testing.T, p *pool, key string) lease {
	t.Helper()
	l, err := p.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if l.Conn().key != key {
		t.Fatalf("asked for a member of %s, got one of %s", key, l.Conn().key)
	}
	return l
}

// visit uses keys, one after the other.
func visit(t *testing.T, p *pool, keys ...string) {
	t.Helper()
	for _, key := range keys {
		acquire(t, p, key).Release()
	}
	synctest.Wait()
}

// got is what came of a call.
type got struct {
	lease lease
	err   error
}

// call acquires on a goroutine.
func call(ctx context.Context, p *pool, key string) <-chan got {
	results := make(chan got, 1)
	go func() {
		l, err := p.Acquire(ctx, key)
		results <- got{l, err}
	}()
	synctest.Wait()
	return results
}

// arrived returns what came of a call, and fails where nothing has, or an error.
func arrived(t *testing.T, when string, results <-chan got) lease {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-results:
		if r.err != nil {
			t.Fatalf("%s: %v", when, r.err)
		}
		return r.lease
	default:
		t.Fatalf("%s: the caller waits still", when)
		return lease{}
	}
}

func waits(t *testing.T, when string, results <-chan got) {
	t.Helper()
	synctest.Wait()
	select {
	case r := <-results:
		t.Fatalf("%s: the caller has got %v, %v, want it to wait", when, r.lease.ID(), r.err)
	default:
	}
}

// warmth are the idle members of the keys that have a pool.
func warmth(p *pool) map[string]int {
	all := make(map[string]int)
	for key, s := range p.All() {
		all[key] = s.Idle
	}
	return all
}

// warm checks which keys have how many idle members.
func warmAre(t *testing.T, p *pool, when string, want map[string]int) {
	t.Helper()
	synctest.Wait()
	if got := warmth(p); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: idle are %v, want %v", when, got, want)
	}
}

// after lets virtual time pass, and everything that it sets off.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
