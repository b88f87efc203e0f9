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
