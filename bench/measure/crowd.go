package measure

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bell rings once. It has cache lines to itself, since everybody looks at it all the time.
type Bell struct {
	_    [64]byte
	rung atomic.Bool
	_    [64]byte
}

// After returns a bell that rings then.
func After(d time.Duration) *Bell {
	b := new(Bell)
	time.AfterFunc(d, func() { b.rung.Store(true) })
	return b
}

// Rung reports whether it has.
func (b *Bell) Rung() bool { return b.rung.Load() }

// Crowd lets so many workers do something until a bell rings. Each returns how often it
// did.
func Crowd(workers int, d time.Duration, work func(worker int, over *Bell) int) Tally {
	t := Tally{Shares: make([]int, workers)}
	over := After(d)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { t.Shares[i] = work(i, over) })
	}
	wg.Wait()
	for _, n := range t.Shares {
		t.Ops += n
	}
	return t
}
