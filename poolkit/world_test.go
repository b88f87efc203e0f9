package poolkit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// conn is a member of the pools under test.
type conn struct {
	id      poolkit.ID
	shard   int
	shut    atomic.Int32    // how often it was shut
	watcher poolkit.Watcher // set by the watch
	ended   atomic.Bool
}

// world makes members and sees what becomes of them.
type world struct {
	delay time.Duration // of each dial

	mu      sync.Mutex
	fail    func(shard int) error // why a dial fails
	made    []*conn
	dials   []time.Time // when each began
	shards  []int       // on which
	dialing int
	most    int // dials at once
}

// dial makes a member after a while. Its ID is its number.
func (w *world) dial(ctx context.Context, shard int) (poolkit.ID, *conn, error) {
	w.mu.Lock()
	w.dials = append(w.dials, time.Now())
	w.shards = append(w.shards, shard)
	w.dialing++
	w.most = max(w.most, w.dialing)
	fail := w.fail
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.dialing--
		w.mu.Unlock()
	}()
	if err := pass(ctx, w.delay); err != nil {
		return poolkit.ID{}, nil, err
	}
	if fail != nil {
		if err := fail(shard); err != nil {
			return poolkit.ID{}, nil, err
		}
	}
	c := w.make(shard)
	return c.id, c, nil
}

// pass lets time pass, until ctx ends. The race detector of Go 1.26 does not bear timers of
// no time in a bubble: it crashes (go.dev/issue/78156).
func pass(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *world) make(shard int) *conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.made) + 1
	c := &conn{id: number(n), shard: shard}
	w.made = append(w.made, c)
	return c
}

// number is the ID of the n-th member that a world makes.
func number(n int) poolkit.ID { return poolkit.ID{0, byte(n >> 16), byte(n >> 8), byte(n)} }

// breaks makes dials fail from now on, or, with nil, succeed again.
func (w *world) breaks(fail func(shard int) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = fail
}

func (w *world) dialled() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.dials)
}

func (w *world) members() []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*conn(nil), w.made...)
}

// config is of a pool that dials in the world and keeps n members.
func (w *world) config(n int) poolkit.Config[*conn] {
	return poolkit.Config[*conn]{
		Dialer:      poolkit.DialerFunc[*conn](w.dial),
		Shut:        shutConn,
		MinCapacity: n, MaxCapacity: n,
		Sizing: sizing.Fixed(n),
	}
}

func shutConn(c *conn) error {
	c.shut.Add(1)
	return nil
}

// watched adds a watch to a configuration: end ends a member.
func watched(cfg poolkit.Config[*conn]) poolkit.Config[*conn] {
	cfg.Watch = func(c *conn, w poolkit.Watcher) func() bool {
		if c.watcher == nil { // it is the same each time
			c.watcher = w
		}
		return func() bool { return !c.ended.Load() }
	}
	return cfg
}

// end is what a peer does to an idle member.
func (c *conn) end() {
	c.ended.Store(true)
	c.watcher.Gone()
}

// open opens a pool for a test. At its end the pool is closed, and then every member
// must have been shut once and every place be free.
func open(t *testing.T, w *world, cfg poolkit.Config[*conn]) *poolkit.Pool[*conn] {
	t.Helper()
	p, err := poolkit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for _, c := range w.members() {
			if n := c.shut.Load(); n != 1 {
				t.Errorf("member %v was shut %d times, want once", c.id, n)
			}
		}
		if s := p.Stats(); s.Open() != 0 || s.Waiting != 0 {
			t.Errorf("after Close: %+v, want nothing open and nobody waiting", s)
		}
	})
	return p
}

// ready waits until the pool is full.
func ready(t *testing.T, p *poolkit.Pool[*conn]) {
	t.Helper()
	if err := p.WaitReady(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func acquire(t *testing.T, p *poolkit.Pool[*conn]) poolkit.Lease[*conn] {
	t.Helper()
	l, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// after lets virtual time pass, and everything that it sets off.
func after(d time.Duration) {
	if d > 0 { // see pass
		time.Sleep(d)
	}
	synctest.Wait()
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// expect compares the counts of a pool.
func expect(t *testing.T, p *poolkit.Pool[*conn], when string, idle, onLoan, promised, waiting int) {
	t.Helper()
	s := p.Stats()
	if s.Idle != idle || s.OnLoan != onLoan || s.Promised != promised || s.Waiting != waiting {
		t.Errorf("%s: %d idle, %d on loan, %d promised, %d waiting; want %d, %d, %d, %d",
			when, s.Idle, s.OnLoan, s.Promised, s.Waiting, idle, onLoan, promised, waiting)
	}
}

// wait lets callers wait for a member, in the order of their numbers, and tells which
// of them got which.
type got struct {
	caller int
	lease  poolkit.Lease[*conn]
	err    error
}

func call(results chan<- got, caller int, f func() (poolkit.Lease[*conn], error)) {
	go func() {
		l, err := f()
		results <- got{caller, l, err}
	}()
	synctest.Wait()
}

// notes are what callbacks, on whatever goroutine, saw.
type notes[T any] struct {
	mu  sync.Mutex
	all []T
}

func (n *notes[T]) add(v T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, v)
}

func (n *notes[T]) list() []T {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]T(nil), n.all...)
}
