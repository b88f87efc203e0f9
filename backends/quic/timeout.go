package quic

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// timeout is the context of one getter that waits. It is used again by later ones,
// so that waiting costs neither a timer left behind nor garbage. It goes to the
// pool only, which has forgotten it when the getter returns.
type timeout struct {
	spare   *sync.Pool // where it goes when it has been stopped in time
	timer   *time.Timer
	expired atomic.Bool

	// done gets one token when the time is over, from the timer's goroutine, and is
	// never closed, unlike other contexts': only one goroutine waits for it.
	done chan struct{}
	at   time.Time
}

var _ context.Context = (*timeout)(nil)

// newTimeout returns a timeout from spare, or a new one. Pools do not share their
// spare ones: a timer must not leave the bubble of virtual time it was made in.
func newTimeout(spare *sync.Pool, d time.Duration) *timeout {
	t, _ := spare.Get().(*timeout)
	if t == nil {
		t = &timeout{spare: spare, done: make(chan struct{}, 1)}
	}
	t.at = time.Now().Add(d)
	switch {
	case d <= 0:
		t.expire()
	case t.timer == nil:
		t.timer = time.AfterFunc(d, t.expire)
	default:
		t.timer.Reset(d)
	}
	return t
}

func (t *timeout) expire() {
	t.expired.Store(true)
	t.done <- struct{}{}
}

// stop ends the wait.
func (t *timeout) stop() {
	if t.timer != nil && t.timer.Stop() {
		t.spare.Put(t) // expire has not run and will not
	}
}

func (t *timeout) Deadline() (time.Time, bool) { return t.at, true }
func (t *timeout) Done() <-chan struct{}       { return t.done }
func (t *timeout) Value(any) any               { return nil }

func (t *timeout) Err() error {
	if t.expired.Load() {
		return context.DeadlineExceeded
	}
	return nil
}
