package quic

import (
	"time"
)

// How a connection is replaced by another without anyone noticing. It stays in use
// until the new one is there. Then its idle streams leave the pool a few at a time,
// and are replaced on the new one a round trip later; those in use go on to their end.
const (
	renewalRetry = 10 * time.Second // when the new one could not be made

	// The first streams leave after fadeAfter, so that none is younger: the pool takes
	// an early end for a failure.
	fadeAfter = 2 * time.Second
	fadeStep  = 100 * time.Millisecond
	fadeSteps = 20

	// lingering is how long a connection that was replaced is kept after its last
	// stream, whose last bytes may still be on their way.
	lingering = 5 * time.Second
)

// renewIn makes the connection be replaced after a time.
func (l *link) renewIn(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.retired.Load():
	case l.renewal == nil:
		l.renewal = time.AfterFunc(d, func() { l.carrier.renew(l) })
	default:
		l.renewal.Reset(d)
	}
}

// leave takes a connection out of use that has been replaced.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.retired.Swap(true) {
		l.leaving = true
		l.fade(fadeSteps)
	}
}

// fade, called under mu, begins to let idle streams go: all of them in the end.
func (l *link) fade(steps int) {
	l.fading = time.AfterFunc(fadeAfter, func() {
		if steps == 0 {
			l.roster.dismiss()
			l.carrier.dialer.even()
			return
		}
		l.roster.let(part(l.roster.size(), steps))
		steps--
		l.again()
	})
}

// shed lets n idle streams go, a few at a time.
func (l *link) shed(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= 0 || l.retired.Load() || l.fading != nil {
		return
	}
	steps := fadeSteps
	l.fading = time.AfterFunc(fadeAfter, func() {
		some := part(n, steps)
		l.roster.let(some)
		n -= some
		if steps--; steps > 0 {
			l.again()
			return
		}
		l.mu.Lock()
		if !l.leaving {
			l.fading = nil
		}
		l.mu.Unlock()
	})
}

// again makes the timer of fade or shed go off once more.
func (l *link) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Context().Err() == nil {
		l.fading.Reset(fadeStep)
	}
}

// part is how many of n to take in the first of so many steps.
func part(n, steps int) int { return (n + steps - 1) / steps }
