package compat

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// timeout is the context of one getter. Its time begins when somebody first waits
// for its end, so a getter that finds what it wants costs no clock and no timer. It
// is used again by later getters, so waiting costs neither a timer left behind nor
// garbage. It goes to the pool only, which has forgotten it when the getter returns.
type timeout struct {
	spare    *sync.Pool // where it goes when it has been stopped in time
	patience time.Duration
	timer    *time.Timer // nil before the first wait
	begun    bool        // the time runs; belongs to the getter's goroutine
	expired  atomic.Bool

	// done gets one token when the time is over, from the timer's goroutine, and is
	// never closed, unlike other contexts': only one goroutine waits for it.
	done chan struct{}
}

var _ context.Context = (*timeout)(nil)

// newTimeout returns a timeout from spare, or a new one. Pools do not share their
// spare ones: a timer must not leave the bubble of virtual time it was made in.
func newTimeout(spare *sync.Pool, patience time.Duration) *timeout {
	t, _ := spare.Get().(*timeout)
	if t == nil {
		t = &timeout{spare: spare, done: make(chan struct{}, 1)}
	}
	t.patience = patience
	return t
}

// Done begins the time, and returns what says that it is over.
func (t *timeout) Done() <-chan struct{} {
	switch {
	case t.begun:
		return t.done
	case t.patience <= 0:
		t.expire()
	case t.timer == nil:
		t.timer = time.AfterFunc(t.patience, t.expire)
	default:
		t.timer.Reset(t.patience)
	}
	t.begun = true
	return t.done
}

func (t *timeout) expire() {
	t.expired.Store(true)
	t.done <- struct{}{}
}

// stop ends the wait.
func (t *timeout) stop() {
	if t.begun && (t.timer == nil || !t.timer.Stop()) {
		return // expire has run or is about to: its token must not reach a later getter
	}
	t.begun = false
	t.spare.Put(t)
}

// Deadline reports none: it is known only once somebody waits.
func (t *timeout) Deadline() (time.Time, bool) { return time.Time{}, false }

func (t *timeout) Value(any) any { return nil }

func (t *timeout) Err() error {
	if t.patience <= 0 || t.expired.Load() {
		return context.DeadlineExceeded
	}
	return nil
}
