package poolnet_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// chatter keeps talking and listening at the peer's end of e, until e is closed.
func (e *end) chatter(peers *sync.WaitGroup) {
	peers.Go(func() {
		for {
			if _, err := e.far.Write([]byte("x")); err != nil {
				return
			}
		}
	})
	peers.Go(func() { _, _ = io.CopyBuffer(onlyWriter{io.Discard}, e.far, make([]byte, 64)) })
}

// Users close at any moment, while others of their goroutines still read, write and set
// deadlines. No call of one may be under way when the next gets the member.
func TestUsersWhoCloseAtAnyMomentDoNotMeet(t *testing.T) {
	w := newWorld()
	var peers sync.WaitGroup
	t.Cleanup(peers.Wait) // after the pool has closed
	var loans, shared atomic.Int64
	cfg := w.dials(2)
	cfg.Dialer = poolkit.DialerFunc[*end](func(ctx context.Context, shard int) (poolkit.ID, *end, error) {
		id, e, err := w.dial(ctx, shard)
		e.chatter(&peers)
		return id, e, err
	})
	cfg.Lent = func(e *end, _ poolkit.Lease[*end]) {
		loans.Add(1)
		if e.inUse.Load() != 0 {
			shared.Add(1)
		}
	}
	p := open(t, cfg)
	d, err := poolnet.NewDialer(p).Returning()
	if err != nil {
		t.Fatal(err)
	}

	calls := []func(c net.Conn) error{
		func(c net.Conn) error { _, err := c.Read(make([]byte, 4)); return err },
		func(c net.Conn) error { _, err := c.Write(make([]byte, 4)); return err },
		func(c net.Conn) error { return c.SetDeadline(time.Now().Add(time.Hour)) },
	}
	var users sync.WaitGroup
	for user := range 4 {
		users.Go(func() {
			r := rand.New(rand.NewPCG(uint64(user), 1))
			for range 60 {
				c := dial(t, d)
				var work sync.WaitGroup
				for range r.IntN(4) {
					call := calls[r.IntN(len(calls))]
					work.Go(func() {
						for {
							if err := call(c); err != nil {
								if !errors.Is(err, net.ErrClosed) {
									t.Errorf("a call of a connection that is closed: %v, want net.ErrClosed", err)
								}
								return
							}
						}
					})
				}
				for range r.IntN(4) {
					if err := calls[r.IntN(len(calls))](c); err != nil {
						t.Errorf("a call of an open connection: %v", err)
					}
				}
				c.Close()
				c.Close()
				work.Wait()
			}
		})
	}
	users.Wait()
	if n := shared.Load(); n > 0 {
		t.Errorf("%d of %d loans began while the last user was still there", n, loans.Load())
	}
	if made := int64(len(w.made())); made >= loans.Load() {
		t.Errorf("%d members for %d loans: none has been returned", made, loans.Load())
	}
}

// Peers come, speak or leave, while listeners are closed. Whatever was not accepted is
// ended or back in the pool.
func TestListenersThatAreClosedAtAnyMomentLoseNoMember(t *testing.T) {
	w := newWorld()
	p := open(t, w.accepts())
	stop := make(chan struct{})
	var peers sync.WaitGroup
	for peer := range 4 {
		peers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(peer), 2))
			for {
				e := w.make()
				select {
				case w.offers <- e:
				case <-stop:
					return
				}
				if r.IntN(4) == 0 {
					e.far.Close()
					continue
				}
				_, _ = e.far.Write([]byte{byte(peer)}) // fails if the pool ends it first
				_, _ = e.far.Read(make([]byte, 1))     // until its end
			}
		})
	}
	var accepted int
	for i := range 200 {
		l, err := poolnet.NewListener(p, poolnet.ListenerConfig{MaxParked: i % 3})
		if err != nil {
			t.Fatal(err)
		}
		var work sync.WaitGroup
		for n := range i % 5 {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			accepted++
			if n%2 == 0 {
				work.Go(func() {
					expectByte(t, c)
					c.Close()
				})
				continue
			}
			expectByte(t, c)
			c.Close()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		work.Wait()
		if s := p.Stats(); s.OnLoan != 0 {
			t.Fatalf("%d members on loan after Close, want none", s.OnLoan)
		}
	}
	close(stop)
	p.Close() // frees the peers
	peers.Wait()
	if accepted == 0 {
		t.Error("nobody was ever accepted")
	}
}

func expectByte(t testing.TB, c net.Conn) {
	if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Errorf("read %d bytes, %v; want one", n, err)
	}
}
