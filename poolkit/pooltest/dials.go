package pooltest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Dials are slow and many wait. As many are under way as allowed, and no more, which look
// checks at every event.
func cappedDials[C comparable](r *rig[C]) {
	r.needs(r.backend.Config.Dialer != nil, "Dialer")
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] {
		return Gated(Slow(d, 10*time.Millisecond), &r.gate)
	}
	r.gate.Close()
	p := r.open()
	var callers sync.WaitGroup
	const n = 2 * everybody
	for i := range n {
		callers.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), r.patience())
			defer cancel()
			l, err := p.Acquire(ctx)
			if err != nil {
				r.Errorf("Acquire: %v", err)
				return
			}
			r.claim(l, i+1)
			r.works(l, i+1, "that was slow to come")
			r.giveBack(l, i+1)
		})
	}
	r.eventually(func() bool { return p.Stats().Waiting == n && r.meter.UnderWay() >= dialing },
		"%d callers wait, and fewer than %d dials are under way", n, dialing)
	r.gate.Open()
	r.within(callers.Wait, "callers wait for ever for members that are slow to come")
	r.settled()
}

// Dials fail, return nothing and panic, now and then.
func failingDials[C comparable](r *rig[C]) {
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] {
		nothing := poolkit.DialerFunc[C](func(context.Context, int) (id poolkit.ID, none C, err error) { return })
		return Panicking(every(Flaky(d, 5, errInjected), 3, nothing), 4, errInjected)
	}
	r.ready()
	for range everybody {
		l := r.borrow(1)
		r.yield(l, 1)
		l.Discard()
	}
	r.settled()
}

// An error that waiting does not cure is told to everybody who waits, and to everybody
// who comes later, until it is over.
func permanentError[C comparable](r *rig[C]) {
	var over atomic.Bool
	var known atomic.Pointer[time.Time] // when the pool was first told
	r.gate.Close()
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] {
		failing := Gated(Failing[C](poolkit.Permanent(errInjected)), &r.gate)
		return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (poolkit.ID, C, error) {
			if over.Load() {
				return d.Dial(ctx, shard)
			}
			id, c, err := failing.Dial(ctx, shard)
			if now := time.Now(); poolkit.IsPermanent(err) {
				known.CompareAndSwap(nil, &now)
			}
			return id, c, err
		})
	}
	p := r.open()
	ctx, cancel := context.WithTimeout(context.Background(), r.patience())
	defer cancel()
	var callers sync.WaitGroup
	const n = 50
	for range n {
		callers.Go(func() {
			_, err := p.Acquire(ctx)
			switch now := time.Now(); {
			case !errors.Is(err, errInjected) || !poolkit.IsPermanent(err):
				r.Errorf("a caller who waits is told %v, want the permanent error %v", err, errInjected)
			case r.bubble && now.After(*known.Load()):
				r.Errorf("a caller who waits is told of a permanent error %v later, want at once", now.Sub(*known.Load()))
			}
		})
	}
	r.eventually(func() bool { return p.Stats().Waiting == n }, "%d callers are to wait", n)
	r.gate.Open()
	r.within(callers.Wait, "callers wait on though there is a permanent error")
	if _, err := p.Acquire(ctx); !errors.Is(err, errInjected) {
		r.Errorf("a caller who comes later is told %v, want the permanent error %v", err, errInjected)
	}
	over.Store(true)
	r.eventually(func() bool { return r.oneWorks(p) }, "the permanent error is over, and the pool lends no member that works")
	r.full()
	r.settled()
}

// Members arrive after the pool has been flushed, and after it has been closed. They are
// shut, each once.
func tooLate[C comparable](r *rig[C]) {
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] {
		return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (poolkit.ID, C, error) {
			id, c, err := d.Dial(ctx, shard)
			_ = r.gate.Pass(context.Background()) // never fails
			return id, c, err
		})
	}
	p := r.ready()
	late := func() []person[C] { // returns members that are on their way
		r.Helper()
		before := len(r.census.all())
		r.gate.Close()
		p.Flush()
		var late []person[C]
		r.eventually(func() bool { late = r.census.all()[before:]; return len(late) > 0 },
			"after a flush nothing is made anew")
		return late
	}
	stale := late()
	p.Flush()
	r.gate.Open()
	r.eventually(func() bool {
		for _, m := range stale {
			if r.census.was(m.conn).shut == 0 {
				return false
			}
		}
		return true
	}, "members that were on their way during a flush are not shut when they arrive")
	r.full()

	late()
	r.census.closing.Store(true)
	closed := make(chan struct{}) // closed by the goroutine, which ends with Close
	go func() {
		defer close(closed)
		if err := p.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
	}()
	r.eventually(func() bool { _, err := p.Acquire(r.Context()); return errors.Is(err, poolkit.ErrClosed) },
		"the pool is being closed, and still lends members")
	select {
	case <-closed:
		r.Errorf("Close has returned while members are on their way")
	default:
	}
	r.gate.Open()
	r.within(func() { <-closed }, "Close does not return although every dial has ended")
	r.close()
}
