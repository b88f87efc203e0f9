package poolkit_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

func TestFlushLeavesLeasesAloneAndShutsWhatWasOnItsWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := watched(w.config(3))
		p := open(t, w, cfg)
		ready(t, p)
		l := acquire(t, p)
		ready(t, p)
		w.delay = 10 * time.Second
		other := acquire(t, p) // its replacement is on its way
		synctest.Wait()
		before := len(w.members())
		w.delay = time.Second
		p.Flush()
		expect(t, p, "after Flush", 0, 2, 4, 0) // three new ones, and the old one on its way
		ready(t, p)
		after(10 * time.Second)
		expect(t, p, "after all arrived", 3, 2, 0, 0)
		if l.Conn().shut.Load() != 0 {
			t.Error("Flush shut a member on loan")
		}
		l.Release()
		other.Discard()
		expect(t, p, "after the leases", 3, 0, 0, 0)
		if l.Conn().shut.Load() != 1 {
			t.Error("a member from before Flush came back to idle")
		}
		if stale := w.members()[len(w.members())-1]; stale.shut.Load() != 1 || len(w.members()) != before+4 {
			t.Errorf("what was on its way was shut %d times; %d members were made, want %d", stale.shut.Load(), len(w.members()), before+4)
		}
	})
}

func TestFlushAndResizeAfterCloseDoNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(2))
		ready(t, p)
		go func() {
			for range 100 {
				p.Flush()
				p.Resize(1, 5)
			}
		}()
		p.Close()
		p.Flush()
		p.Resize(7, 9)
		after(time.Minute)
		expect(t, p, "after Close", 0, 0, 0, 0)
	})
}

func TestShutdownWaitsForLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		p := open(t, w, w.config(2))
		l := acquire(t, p)
		done := make(chan error)
		go func() { done <- p.Shutdown(t.Context()) }()
		synctest.Wait()
		if _, err := p.Acquire(t.Context()); !errors.Is(err, poolkit.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("a pool that drains answers %v, want ErrClosed", err)
		}
		expect(t, p, "while draining", 0, 1, 0, 0)
		if l.Conn().shut.Load() != 0 {
			t.Error("Shutdown shut a member on loan")
		}
		l.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownClosesLeasesAtItsDeadlineEvenWhileIdleMembersAreShutSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		var leaseShut time.Time
		var leased atomic.Pointer[conn]
		cfg.Shut = func(c *conn) error {
			if c == leased.Load() {
				leaseShut = time.Now()
			} else {
				time.Sleep(time.Minute)
			}
			return shutConn(c)
		}
		p := open(t, w, cfg)
		l := acquire(t, p)
		ready(t, p)
		leased.Store(l.Conn())
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := p.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 members on loan were closed") {
			t.Errorf("got %v, want the deadline and what was closed", err)
		}
		if got := leaseShut.Sub(begun); got != 2*time.Second {
			t.Errorf("the lease was closed after %v, want 2s", got)
		}
		if got := time.Since(begun); got != time.Minute {
			t.Errorf("Shutdown returned after %v, want when all is shut, after 1m0s", got)
		}
	})
}

func TestCloseFailsWaitersAndLeasesAtOnceAndReturnsAfterTheLastGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{delay: time.Hour}
		cfg := w.config(1)
		cfg.DialTimeout = poolkit.NoTimeout
		var closed, dialEnded atomic.Bool
		dialer := cfg.Dialer
		slow := make(chan struct{})
		cfg.Dialer = poolkit.DialerFunc[*conn](func(ctx context.Context, shard int) (poolkit.ID, *conn, error) {
			if w.dialled() == 0 {
				w.mu.Lock()
				w.dials = append(w.dials, time.Now())
				w.mu.Unlock()
				c := w.make(0)
				return c.id, c, nil
			}
			<-ctx.Done()
			<-slow // a dialer that takes its time to notice
			dialEnded.Store(true)
			return dialer.Dial(ctx, shard)
		})
		why := errors.New("socket")
		cfg.Closed = func() error {
			if !dialEnded.Load() {
				t.Error("Closed ran before the last dial had ended")
			}
			closed.Store(true)
			return why
		}
		p, err := poolkit.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		l := acquire(t, p)
		results := make(chan got, 3)
		call(results, 0, func() (poolkit.Lease[*conn], error) { return p.Acquire(t.Context()) })
		call(results, 1, func() (poolkit.Lease[*conn], error) { return p.AcquireID(t.Context(), number(9)) })
		call(results, 2, func() (poolkit.Lease[*conn], error) { return poolkit.Lease[*conn]{}, p.WaitReady(t.Context(), 0) })
		closing := make(chan error, 2)
		for range 2 {
			go func() { closing <- p.Close() }()
		}
		synctest.Wait()
		for range 3 {
			if r := <-results; !errors.Is(r.err, poolkit.ErrClosed) {
				t.Errorf("caller %d was told %v, want ErrClosed", r.caller, r.err)
			}
		}
		if l.Conn().shut.Load() != 1 {
			t.Error("the member on loan was not shut at once")
		}
		l.Release() // it is over, so nothing happens
		if len(closing) > 0 || closed.Load() {
			t.Error("Close returned before the last goroutine ended")
		}
		close(slow)
		for range 2 {
			if err := <-closing; !errors.Is(err, why) {
				t.Errorf("Close returned %v, want the error of Closed", err)
			}
		}
		if err := p.Close(); !errors.Is(err, why) {
			t.Errorf("another Close returned %v, want the same", err)
		}
		if n := l.Conn().shut.Load(); n != 1 {
			t.Errorf("the member was shut %d times, want once", n)
		}
	})
}

func TestCloseWaitsForTheLeftHook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		cfg := w.config(3)
		var joined, left, late atomic.Int32
		var over atomic.Bool
		cfg.Hooks.Joined = func(poolkit.ID, int) { joined.Add(1) }
		cfg.Hooks.Left = func(poolkit.ID, int, poolkit.Reason) {
			time.Sleep(time.Second) // a hook must not, but then it can be seen
			left.Add(1)
			if over.Load() {
				late.Add(1)
			}
		}
		p := open(t, w, cfg)
		l := acquire(t, p)
		hijacked := acquire(t, p)
		ready(t, p)
		go l.Release()
		if !hijacked.Hijack() {
			t.Error("a lease that was held could not be hijacked")
		}
		go p.Flush()
		p.Close()
		over.Store(true)
		after(time.Minute)
		if joined.Load() != left.Load() || late.Load() != 0 {
			t.Errorf("%d joined, %d left, %d after Close; want as many, and none after", joined.Load(), left.Load(), late.Load())
		}
		hijacked.Conn().shut.Add(1) // by its new owner
	})
}

func TestCloseWaitsForAnAcceptThatTakesItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &world{}
		ps, cfg := accepting(w)
		cfg.Acceptor = lateAcceptor{ps}
		begun := time.Now()
		cfg.Closed = func() error {
			if got := time.Since(begun); got != time.Second {
				t.Errorf("Closed ran after %v, want after Accept had returned, in 1s", got)
			}
			return nil
		}
		open(t, w, cfg)
	})
}

type lateAcceptor struct{ *peers }

func (a lateAcceptor) Accept(ctx context.Context) (poolkit.Offer[*conn], error) {
	o, err := a.peers.Accept(ctx)
	time.Sleep(time.Second)
	return o, err
}
