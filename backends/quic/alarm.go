package quic

import (
	"sync"
	"time"
)

// alarms is a queue of alarms that all ring after the same delay. Setting and
// cancelling one costs no timer: they share one, which looks at the front.
type alarms struct {
	delay time.Duration

	mu          sync.Mutex
	front, back *alarm // guarded by mu, as is the rest: in the order in which they are due
	armed       bool   // the timer is running
	timer       *time.Timer
	over        bool // everything rings at once
}

// alarm is one alarm, to be embedded in what rings.
type alarm struct {
	due        time.Time
	what       ringer
	prev, next *alarm
	set        bool
}

// ringer is called when its alarm is due. It must not block for long.
type ringer interface{ ring() }

func newAlarms(delay time.Duration) *alarms { return &alarms{delay: delay} }

// set makes an alarm ring after the delay.
func (q *alarms) set(a *alarm, what ringer) {
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		what.ring()
		return
	}
	a.due, a.what, a.set = time.Now().Add(q.delay), what, true
	a.prev, a.next = q.back, nil
	if q.back == nil {
		q.front = a
	} else {
		q.back.next = a
	}
	q.back = a
	if !q.armed {
		q.arm(q.delay)
	}
	q.mu.Unlock()
}

// cancel keeps an alarm from ringing. It does nothing when it is not set, or rings
// already.
func (q *alarms) cancel(a *alarm) {
	q.mu.Lock()
	if a.set {
		q.remove(a)
	}
	q.mu.Unlock()
}

func (q *alarms) remove(a *alarm) {
	if a.prev == nil {
		q.front = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		q.back = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.prev, a.next, a.set = nil, nil, false
}

func (q *alarms) arm(d time.Duration) {
	q.armed = true
	if q.timer == nil {
		q.timer = time.AfterFunc(d, q.tick)
		return
	}
	q.timer.Reset(d)
}

// tick rings what is due. It runs on the timer's goroutine.
func (q *alarms) tick() {
	now := time.Now()
	q.mu.Lock()
	q.armed = false
	var due []ringer
	for a := q.front; a != nil && !a.due.After(now); a = q.front {
		due = append(due, a.what)
		q.remove(a)
	}
	if q.front != nil {
		q.arm(q.front.due.Sub(now))
	}
	q.mu.Unlock()
	for _, r := range due {
		r.ring()
	}
}

// ringAll rings every alarm now, and from now on each as it is set.
func (q *alarms) ringAll() {
	q.mu.Lock()
	q.over = true
	if q.timer != nil {
		q.timer.Stop()
	}
	var all []ringer
	for a := q.front; a != nil; a = q.front {
		all = append(all, a.what)
		q.remove(a)
	}
	q.mu.Unlock()
	for _, r := range all {
		r.ring()
	}
}
