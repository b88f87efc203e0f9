package pooltest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// turns is how often each of the borrowers of a stressed pool tries to borrow.
func turns() int {
	if testing.Short() {
		return 10
	}
	return 40
}

// Whatever happens to the pool, nobody gets a member that somebody else has.
func oneBorrower[C comparable](r *rig[C]) {
	p := r.ready()
	var borrowers sync.WaitGroup
	for i := range everybody {
		chance := rand.New(rand.NewPCG(uint64(i), 1))
		borrowers.Go(func() {
			for range turns() {
				if l, ok := r.tryHard(p, chance); ok {
					r.useSomehow(l, i+1, chance)
				}
			}
		})
	}
	borrowers.Go(func() {
		for range 5 {
			r.someTime()
			p.Flush()
		}
	})
	r.within(borrowers.Wait, "callers of a pool in use wait for ever")
	r.settled()
}

// tryHard acquires a member in one of the ways there are.
func (r *rig[C]) tryHard(p *poolkit.Pool[C], chance *rand.Rand) (l poolkit.Lease[C], ok bool) {
	ctx, cancel := context.WithTimeout(context.Background(), r.patience())
	defer cancel()
	var err error
	switch chance.IntN(6) {
	case 0:
		return p.TryAcquire()
	case 1:
		idle := r.census.idle()
		if len(idle) == 0 {
			return l, false
		}
		return p.TryAcquireID(idle[chance.IntN(len(idle))].id)
	case 2:
		go cancel() // somewhere in between
	default:
	}
	if l, err = p.Acquire(ctx); err == nil {
		return l, true
	}
	if !errors.Is(err, context.Canceled) {
		r.Errorf("Acquire: %v", err)
	}
	return l, false
}

// useSomehow uses a member and ends its lease in one of the ways there are.
func (r *rig[C]) useSomehow(l poolkit.Lease[C], borrower int, chance *rand.Rand) {
	r.claim(l, borrower)
	if chance.IntN(2) == 0 {
		r.works(l, borrower, "of a pool under stress")
	} else {
		runtime.Gosched()
	}
	switch chance.IntN(6) {
	case 0:
		r.yield(l, borrower)
		l.Discard()
	case 1:
		r.yield(l, borrower)
		go l.Release()
		l.Discard()
	case 2:
		r.giveBack(l, borrower)
		l.Release()
		l.Discard()
	default:
		r.giveBack(l, borrower)
	}
}

// someTime lets others do something.
func (r *rig[C]) someTime() { <-time.After(5 * time.Millisecond) }

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
