package pooltest

import (
	"context"
	"errors"
	"sync"

	"github.com/vistone/poolkit/poolkit"
)

// Every place can be used, and no more: open = idle + on loan + on their way + being
// shut, which look checks at every event.
func everyPlace[C comparable](r *rig[C]) {
	r.needs(r.backend.Config.Dialer != nil && r.backend.Config.Acceptor == nil, "limit of its own: its peers decide how much is open")
	p := r.ready()
	for range 3 {
		all := r.hold(r.places)
		if l, ok := p.TryAcquire(); ok {
			r.Errorf("all %d places are on loan, and member %v was lent too", r.places, l.ID())
		}
		ctx, cancel := r.briefly()
		if l, err := p.Acquire(ctx); err == nil {
			r.Errorf("all %d places are on loan, and member %v was lent too", r.places, l.ID())
		}
		cancel()
		if s := p.Stats(); s.OnLoan != r.places || s.Open() != r.places {
			r.Errorf("%d members are held, and the pool counts %d on loan and %d open", r.places, s.OnLoan, s.Open())
		}
		r.yield(all[0], 1)
		all[0].Discard()
		all[0] = r.borrow(1) // in the place that has become free
		r.drop(all)
		r.settledBelow(r.places)
	}
}

// settledBelow is settled where members that came back may be more than are kept.
func (r *rig[C]) settledBelow(most int) {
	r.Helper()
	r.settled()
	if s := r.pool.Load().Stats(); s.Open() > most {
		r.Errorf("%d members are open in a pool with %d places", s.Open(), most)
	}
}

// A flush ends every member that is idle, and those on loan when they come back.
func flushed[C comparable](r *rig[C]) {
	p := r.ready()
	for range 3 {
		held := r.borrow(1)
		r.full()
		old := r.someIdle()
		p.Flush()
		for _, m := range old {
			if n := r.census.was(m.conn).shut; n != 1 {
				r.Errorf("after Flush member %v, which was idle, has been shut %d times, want once", m.id, n)
			}
		}
		r.works(held, 1, "that was on loan during a flush")
		r.giveBack(held, 1)
		if n := r.census.was(held.Conn()).shut; n != 1 {
			r.Errorf("member %v, on loan during a flush, came back and was shut %d times, want once", held.ID(), n)
		}
		r.full()
		for _, m := range r.census.idle() {
			for _, o := range append(old, person[C]{conn: held.Conn()}) {
				if m.conn == o.conn {
					r.Errorf("member %v is idle again after a flush", m.id)
				}
			}
		}
	}
	r.settled()
}

// The number of idle members follows its bounds.
func resized[C comparable](r *rig[C]) {
	r.needs(r.backend.Config.Dialer != nil && r.backend.Config.Acceptor == nil, "limit of its own: its peers decide how much is idle")
	p := r.ready()
	for _, n := range []int{everybody, 1, places, 2, kept} {
		p.Resize(n, n)
		r.eventually(func() bool { s := p.Stats(); return s.Idle == n && s.Open() == n && len(r.census.open()) == n },
			"after Resize to %d there should be that many members, all idle", n)
	}
	r.settled()
}

// WaitReady waits as long as has to be, and no longer than its caller.
func waitReady[C comparable](r *rig[C]) {
	r.gate.Close()
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] { return Gated(d, &r.gate) }
	p := r.open()
	r.within(func() {
		ctx, cancel := r.briefly()
		defer cancel()
		if err := p.WaitReady(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			r.Errorf("WaitReady, when its context has ended and nothing is ready, returned %v", err)
		}
	}, "WaitReady waits on though its context has ended")
	if r.backend.Config.Dialer != nil {
		if err := p.WaitReady(r.Context(), places+1); err == nil {
			r.Errorf("WaitReady for more members than the pool keeps returned nil")
		}
	}
	var waiting sync.WaitGroup
	for _, n := range []int{0, 1, kept} {
		waiting.Go(func() {
			if err := p.WaitReady(r.Context(), n); err != nil {
				r.Errorf("WaitReady(%d): %v", n, err)
			}
			if s := p.Stats(); s.Idle < max(1, n) {
				r.Errorf("WaitReady(%d) has returned, and %d members are idle", n, s.Idle)
			}
		})
	}
	r.gate.Open()
	r.within(waiting.Wait, "WaitReady waits on though the pool is full")
	r.settled()
}
