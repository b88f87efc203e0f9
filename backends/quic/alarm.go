package quic

import (
	"sync"
	"time"
)

// alarms is a queue of alarms that all ring after the same delay. Setting and
// cancelling one costs no timer: they share one, which looks at the front.
type alarms struct {
	delay time.Duration // set before the first is

	mu    sync.Mutex
	queue list[*alarm] // guarded by mu, as is the rest: in the order in which they are due
	timer *time.Timer  // nil before the first alarm
	armed bool         // the timer is running
	over  bool         // everything rings at once
}

// alarm is one alarm, to be embedded in what rings.
type alarm struct {
	place node[*alarm]
	due   time.Time
	what  ringer
}

// ringer is called when its alarm is due. It must not block for long.
type ringer interface{ ring() }

// set makes an alarm ring after the delay.
func (q *alarms) set(a *alarm, what ringer) {
	q.mu.Lock()
	if q.over {
		q.mu.Unlock()
		what.ring()
		return
	}
	a.due, a.what = time.Now().Add(q.delay), what
	q.queue.push(&a.place, a)
	if !q.armed {
		q.arm(q.delay)
	}
	q.mu.Unlock()
}

// pending reports whether an alarm is set.
func (q *alarms) pending() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queue.front() != nil
}

// cancel keeps an alarm from ringing. It does nothing when it is not set, or rings
// already.
func (q *alarms) cancel(a *alarm) {
	q.mu.Lock()
	a.place.remove()
	q.mu.Unlock()
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
	due := q.takeUntil(now)
	if next := q.queue.front(); next != nil {
		q.arm(next.value.due.Sub(now))
	}
	q.mu.Unlock()
	ringEach(due)
}

// ringNow rings every alarm that is set, without waiting until it is due.
func (q *alarms) ringNow() {
	q.mu.Lock()
	all := q.takeUntil(time.Now().Add(q.delay))
	q.mu.Unlock()
	ringEach(all)
}

// end is ringNow, and makes alarms that are set from now on ring at once.
func (q *alarms) end() {
	q.mu.Lock()
	q.over = true
	if q.timer != nil {
		q.timer.Stop()
	}
	q.mu.Unlock()
	q.ringNow()
}

// takeUntil takes out, under mu, what is due at a certain time.
func (q *alarms) takeUntil(t time.Time) []ringer {
	var due []ringer
	for n := q.queue.front(); n != nil && !n.value.due.After(t); n = q.queue.front() {
		due = append(due, n.value.what)
		n.remove()
	}
	return due
}

func ringEach(rs []ringer) {
	for _, r := range rs {
		r.ring()
	}
}
