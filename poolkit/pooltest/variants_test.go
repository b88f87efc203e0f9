package pooltest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// tidy is a member that gives itself back when it is closed.
type tidy struct {
	*pipe
	lease atomic.Pointer[poolkit.Lease[*tidy]]
}

func (c *tidy) Close() error {
	err := c.pipe.Close()
	if l := c.lease.Load(); l != nil {
		l.Hijack()
	}
	return err
}

// ofSingleUse is a backend of tidy members, each of which serves once. It tells peers
// apart, and numbers members.
func ofSingleUse(testing.TB) Backend[*tidy] {
	p := new(Peer)
	return Backend[*tidy]{
		Config: poolkit.Config[*tidy]{
			Dialer: poolkit.DialerFunc[*tidy](func(ctx context.Context, shard int) (poolkit.ID, *tidy, error) {
				id, c, err := p.Dial(ctx, shard)
				if err != nil {
					return id, nil, err
				}
				return id, &tidy{pipe: c.(*pipe)}, nil
			}),
			Shut:        func(c *tidy) error { return c.pipe.Close() },
			Watch:       func(c *tidy, w poolkit.Watcher) func() bool { return context.AfterFunc(c.ended, w.Gone) },
			Lent:        func(c *tidy, l poolkit.Lease[*tidy]) { c.lease.Store(&l) },
			Peer:        func(*tidy) string { return "the peer" },
			Sequence:    func(c *tidy) uint64 { return uint64(c.other.id[3]) + uint64(c.other.id[2])<<8 },
			SingleUse:   true,
			DialTimeout: poolkit.NoTimeout,
		},
		Echo:     Echo[*tidy],
		PeerID:   func(c *tidy) (poolkit.ID, error) { return p.ID(c.pipe), nil },
		PeerOpen: p.Open,
		Kill:     func(_ poolkit.ID, c *tidy) { p.Kill(c.pipe) },
		Refuse:   p.Refuse,
		Stall:    p.Stall,
		Recover:  p.Recover,
	}
}

// callers are peers that open members by themselves: so many at a time, and another for
// each that ends. They are an Acceptor.
type callers struct {
	peer   *Peer
	offers chan *call // sent to by the callers, never closed
	ctx    context.Context
	lines  sync.WaitGroup // goroutines of the callers
}

func (cs *callers) Accept(ctx context.Context) (poolkit.Offer[net.Conn], error) {
	select {
	case o := <-cs.offers:
		return o, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// call opens members one after the other. It ends with the callers' context.
func (cs *callers) call() {
	for cs.ctx.Err() == nil {
		near, far := newPipe()
		stop := context.AfterFunc(cs.ctx, func() { far.Close() })
		select {
		case cs.offers <- &call{cs, near, far}:
			<-far.ended.Done()
		case <-cs.ctx.Done():
		}
		stop()
		far.Close()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-cs.ctx.Done():
		}
	}
}

// call is one member that a caller wants to open. It is an Offer.
type call struct {
	callers   *callers
	near, far *pipe
}

func (*call) Shard() int { return 0 }

func (c *call) Refuse() { c.near.Close() }

func (c *call) Admit(ctx context.Context, id poolkit.ID) (net.Conn, error) {
	p := c.callers.peer
	err := p.silence.Pass(ctx)
	if p.mu.Lock(); p.refuses && err == nil {
		err = ErrRefused
	}
	if err != nil {
		p.mu.Unlock()
		c.near.Close()
		return nil, err
	}
	p.open++
	p.mu.Unlock()
	c.far.id = id
	p.serving.Go(func() { p.serve(c.far) }) // ends when either end is closed
	return c.near, nil
}

// accepting is a backend whose peers call.
func accepting(tb testing.TB) Backend[net.Conn] { return called(tb, new(Peer)) }

// called is a backend whose peers call, and which they do as p.
func called(tb testing.TB, p *Peer) Backend[net.Conn] {
	cs := &callers{peer: p, offers: make(chan *call)}
	ctx, hangUp := context.WithCancel(context.Background())
	cs.ctx = ctx
	for range everybody {
		cs.lines.Go(cs.call)
	}
	tb.Cleanup(func() {
		hangUp()
		cs.lines.Wait()
	})
	b := sound(p)
	b.Config.Dialer, b.Config.Acceptor = nil, cs
	return b
}

// examine asks the peer whether it is there.
func examine(ctx context.Context, c net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	_, err := Echo(c, []byte("are you there?"))
	return err
}

// Every check is made with one of these at least, and none finds anything.
func TestSoundBackendsPass(t *testing.T) {
	made := make(map[string]bool)
	t.Run("dialling", func(t *testing.T) {
		pass(t, made, func(testing.TB) Backend[net.Conn] { return sound(new(Peer)) })
	})
	t.Run("single use", func(t *testing.T) { pass(t, made, ofSingleUse) })
	t.Run("accepting", func(t *testing.T) { pass(t, made, accepting) })
	t.Run("Config alone", func(t *testing.T) {
		pass(t, made, func(testing.TB) Backend[net.Conn] { return Backend[net.Conn]{Config: new(Peer).Config(1)} })
	})
	t.Run("Healthy alone", func(t *testing.T) {
		pass(t, made, func(testing.TB) Backend[net.Conn] {
			b := sound(new(Peer))
			b.Config.Watch = nil
			return b
		})
	})
	t.Run("Watch alone", func(t *testing.T) {
		pass(t, made, func(testing.TB) Backend[net.Conn] {
			b := sound(new(Peer))
			b.Config.Healthy = nil
			return b
		})
	})
	t.Run("Check", func(t *testing.T) {
		pass(t, made, func(testing.TB) Backend[net.Conn] {
			b := sound(new(Peer))
			b.Config.Check = examine
			return b
		})
	})
	t.Run("Check alone", func(t *testing.T) {
		pass(t, made, func(testing.TB) Backend[net.Conn] {
			b := sound(new(Peer))
			b.Config.Check = examine
			b.Config.Watch, b.Config.Healthy = nil, nil
			return b
		})
	})
	for _, c := range checks[net.Conn]() {
		if !made[c.name] {
			t.Errorf("%s was skipped with every backend", c.name)
		}
	}
}

func pass[C comparable](t *testing.T, made map[string]bool, f Factory[C]) {
	for _, c := range checks[C]() {
		r := verdict(t, c, func(tb testing.TB, _ <-chan struct{}) Backend[C] { return f(tb) })
		if r.Failed() {
			t.Errorf("%s: %s", c.name, r.text())
		}
		made[c.name] = made[c.name] || !r.Skipped()
		if r.Skipped() {
			t.Logf("%s: %s", c.name, r.text())
		}
	}
}
