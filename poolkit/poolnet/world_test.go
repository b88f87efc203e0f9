package poolnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// end is one end of a pipe, and a member of the pools under test.
type end struct {
	net.Conn
	id   poolkit.ID
	far  net.Conn     // the other end, which the test holds
	shut atomic.Int32 // how often the pool has shut it

	stubborn atomic.Bool  // SetDeadline and SetReadDeadline fail
	once     atomic.Bool  // they succeed once more, and then fail
	rude     atomic.Bool  // Read fails with an error of its own
	inUse    atomic.Int32 // calls under way
	calls    atomic.Int32 // that there have been
}

// call counts a call, until what it returns is called.
func (e *end) call() (done func()) {
	e.inUse.Add(1)
	e.calls.Add(1)
	return func() { e.inUse.Add(-1) }
}

func (e *end) Read(p []byte) (int, error) {
	defer e.call()()
	n, err := e.Conn.Read(p)
	if err != nil && e.rude.Load() {
		err = errRude
	}
	return n, err
}

func (e *end) Write(p []byte) (int, error) {
	defer e.call()()
	return e.Conn.Write(p)
}

var (
	errStubborn = errors.New("no deadlines here")
	errRude     = errors.New("no reason given")
)

func (e *end) SetDeadline(t time.Time) error {
	defer e.call()()
	if e.stubborn.Load() {
		return errStubborn
	}
	e.stubborn.Store(e.once.Load())
	return e.Conn.SetDeadline(t)
}

func (e *end) SetReadDeadline(t time.Time) error {
	defer e.call()()
	if e.stubborn.Load() {
		return errStubborn
	}
	e.stubborn.Store(e.once.Load())
	return e.Conn.SetReadDeadline(t)
}

func (e *end) SetWriteDeadline(t time.Time) error {
	defer e.call()()
	return e.Conn.SetWriteDeadline(t)
}

// world makes ends, by dialling, or by offering them to a pool that accepts.
type world struct {
	offers chan *end // sent by connect, never closed

	mu   sync.Mutex
	ends []*end // all that were made; guarded by mu
}

func newWorld() *world { return &world{offers: make(chan *end)} }

func (w *world) make() *end {
	near, far := net.Pipe()
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.ends) + 1
	e := &end{Conn: near, far: far, id: poolkit.ID{2: byte(n >> 8), 3: byte(n)}}
	w.ends = append(w.ends, e)
	return e
}

func (w *world) made() []*end {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*end(nil), w.ends...)
}

// dial is how a pool of ends dials.
func (w *world) dial(context.Context, int) (poolkit.ID, *end, error) {
	e := w.make()
	return e.id, e, nil
}

// connect is what a peer of a pool that accepts does, in a bubble. It returns when the
// member has arrived.
func (w *world) connect() *end {
	e := w.make()
	w.offers <- e
	synctest.Wait()
	return e
}

func (w *world) Accept(ctx context.Context) (poolkit.Offer[*end], error) {
	select {
	case e := <-w.offers:
		return offer{e}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type offer struct{ *end }

func (offer) Shard() int { return 0 }

func (o offer) Admit(_ context.Context, id poolkit.ID) (*end, error) {
	o.id = id
	return o.end, nil
}

func (o offer) Refuse() { o.Close() }

func shutEnd(e *end) error {
	e.shut.Add(1)
	return e.Close()
}

// pair opens two pools: what one dials, the other accepts.
func pair(t testing.TB, n int) (client, server *poolkit.Pool[*end]) {
	t.Helper()
	w := newWorld()
	server = open(t, w.accepts())
	cfg := w.dials(n)
	cfg.Dialer = poolkit.DialerFunc[*end](func(ctx context.Context, _ int) (poolkit.ID, *end, error) {
		e := w.make()
		select {
		case w.offers <- &end{Conn: e.far}:
			return e.id, e, nil
		case <-ctx.Done():
			return poolkit.ID{}, nil, ctx.Err()
		}
	})
	cfg.NewestFirst = true
	return open(t, cfg), server
}

// dials is of a pool that dials and keeps n members idle.
func (w *world) dials(n int) poolkit.Config[*end] {
	return poolkit.Config[*end]{
		Dialer:      poolkit.DialerFunc[*end](w.dial),
		Shut:        shutEnd,
		MinCapacity: n, MaxCapacity: n,
		Sizing: sizing.Fixed(n),
	}
}

// accepts is of a pool that accepts.
func (w *world) accepts() poolkit.Config[*end] {
	return poolkit.Config[*end]{Acceptor: w, Shut: shutEnd}
}

// open opens a pool for a test. At its end it is closed, and then nothing may be open.
func open[C any](t testing.TB, cfg poolkit.Config[C]) *poolkit.Pool[C] {
	t.Helper()
	p, err := poolkit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if s := p.Stats(); s.Open() != 0 {
			t.Errorf("after Close: %+v, want nothing open", s)
		}
	})
	return p
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

type dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

func dial(t testing.TB, d dialer) net.Conn {
	t.Helper()
	c, err := d.DialContext(t.Context(), "tcp", "example.com:80")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// memberOf returns the member of a connection.
func memberOf[C net.Conn](t testing.TB, c net.Conn) C {
	t.Helper()
	m, ok := c.(interface{ NetConn() net.Conn }).NetConn().(C)
	if !ok {
		t.Fatal("the connection does not say what its member is")
	}
	return m
}

// isShut tells whether the pool that a member came from has shut it.
func (e *end) isShut() bool { return e.shut.Load() > 0 }

// say writes at the peer's end of e.
func (e *end) say(t testing.TB, s string) {
	t.Helper()
	if _, err := io.WriteString(e.far, s); err != nil {
		t.Errorf("the peer writes: %v", err)
	}
}

// hears reads what has been written to e, at the peer's end.
func (e *end) hears(t testing.TB, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(e.far, got); err != nil || string(got) != want {
		t.Errorf("the peer hears %q, %v, want %q", got, err, want)
	}
}

// expect reads from c.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("read %q, %v, want %q", got, err, want)
	}
}
