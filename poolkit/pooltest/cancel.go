package pooltest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// A wait that is given up takes nothing with it. Members that come back are lent again,
// and those of single use have all been used.
func cancelledAcquires[C comparable](r *rig[C]) {
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] { return Slow(d, 2*time.Millisecond) }
	p := r.ready()
	shut := func() int { return len(r.census.those(func(m *person[C]) bool { return m.shut > 0 })) }
	var callers sync.WaitGroup
	var mu sync.Mutex
	used := 0 // guarded by mu
	for i := range 2 * everybody {
		chance := rand.New(rand.NewPCG(uint64(i), 2))
		callers.Go(func() {
			for range turns() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(chance.IntN(4000))*time.Microsecond)
				switch chance.IntN(4) {
				case 0:
					cancel()
				case 1:
					go cancel()
				default:
				}
				l, err := p.Acquire(ctx)
				cancel()
				if err != nil {
					continue
				}
				r.claim(l, i+1)
				runtime.Gosched()
				r.giveBack(l, i+1)
				mu.Lock()
				used++
				mu.Unlock()
			}
		})
	}
	r.within(callers.Wait, "a caller whose context has ended waits on")
	r.settled()
	if n := shut(); r.single && n != used {
		r.Errorf("%d members were shut, and %d were lent: a wait that is given up must not cost a member", n, used)
	} else if !r.single && n != 0 {
		r.Errorf("%d members were shut though all that were lent came back: a wait that is given up must not cost a member", n)
	}
}

// Whoever asks gives up, and then the dial that was made for him ends well.
func givenUpDial[C comparable](r *rig[C]) {
	r.needs(r.backend.Config.Dialer != nil, "Dialer")
	r.gate.Close()
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] { return Gated(d, &r.gate) }
	p := r.open()
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1) // gets the one error; never closed
	go func() {
		_, err := p.Acquire(ctx)
		failed <- err
	}()
	r.eventually(func() bool { return p.Stats().Waiting == 1 && r.meter.UnderWay() == dialing },
		"a caller waits and %d dials are to be under way", dialing)
	cancel()
	r.within(func() {
		if err := <-failed; !errors.Is(err, context.Canceled) {
			r.Errorf("a caller who gave up was told %v", err)
		}
	}, "a caller whose context has ended waits on")
	r.gate.Open()
	r.settled()
	if made := r.census.open(); len(made) != kept || r.meter.Dials() != kept {
		r.Errorf("%d members are open after %d dials, want the %d that are kept: "+
			"a dial that was under way when its caller gave up has to serve the next", len(made), r.meter.Dials(), kept)
	}
}

// Callers give up at the moment in which they are handed a member.
func cancelledHandOver[C comparable](r *rig[C]) {
	r.chaos = func(d poolkit.Dialer[C]) poolkit.Dialer[C] { return Gated(d, &r.gate) }
	p := r.ready()
	for range 2 * turns() {
		r.gate.Close()
		var held []poolkit.Lease[C]
		for l, ok := p.TryAcquire(); ok; l, ok = p.TryAcquire() {
			held = append(held, l)
		}
		ctx, cancel := context.WithCancel(context.Background())
		asked := p.Stats().Acquires
		var caller sync.WaitGroup
		caller.Go(func() {
			if l, err := p.Acquire(ctx); err == nil {
				l.Release()
			}
		})
		r.eventually(func() bool { return p.Stats().Acquires > asked }, "a caller is to wait")
		caller.Go(cancel)
		caller.Go(r.gate.Open)
		caller.Go(func() {
			for _, l := range held {
				l.Release()
			}
		})
		r.within(caller.Wait, "a caller whose context has ended waits on")
	}
	r.settled()
}
