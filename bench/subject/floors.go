package subject

import (
	"context"
	"sync"
	"sync/atomic"
)

// The floors are no pools: they have no members, nobody can wait, and they are used only
// where nobody has to. A pool whose taking and giving are one atomic operation each is not
// faster than CAS, and one that locks for each not faster than Mutex.
var (
	CAS   = Kind{"floor: two CAS", func(members int) Pool { return &cas{left: int64(members)} }}
	Mutex = Kind{"floor: two mutex pairs", func(members int) Pool { return &mutex{left: members} }}
)

type cas struct {
	_    [64]byte // so that it has a cache line to itself
	left int64
	_    [64]byte
}

func (f *cas) Worker() Worker { return f }
func (*cas) Close()           {}

func (f *cas) Take(context.Context) error {
	f.add(-1)
	return nil
}

func (f *cas) Give() { f.add(1) }

func (f *cas) add(n int64) {
	for {
		left := atomic.LoadInt64(&f.left)
		if atomic.CompareAndSwapInt64(&f.left, left, left+n) {
			return
		}
	}
}

type mutex struct {
	mu   sync.Mutex
	left int // guarded by mu
	_    [64]byte
}

func (f *mutex) Worker() Worker { return f }
func (*mutex) Close()           {}

func (f *mutex) Take(context.Context) error {
	f.mu.Lock()
	f.left--
	f.mu.Unlock()
	return nil
}

func (f *mutex) Give() {
	f.mu.Lock()
	f.left++
	f.mu.Unlock()
}
