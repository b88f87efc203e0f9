package quic

import (
	"time"
)

// How a connection is replaced by another without anyone noticing. It stays in use
// until the new one is there. Then its idle streams are replaced on the new one, a few
// at a time, and can still be taken by their IDs, since the peer may have taken them
// before it knew. When all are, the peer is told to take them no more either. A while
// later they end; those in use go on to their own end.
const (
	renewalRetry = 10 * time.Second // when the new one could not be made

	fadeStep  = 100 * time.Millisecond
	fadeSteps = 20

	// fadeHold is how long an ID that was taken at one end may be on its way to the
	// other, by the slowest of paths.
	fadeHold = 2 * time.Second

	// untoldHolds is how often fadeHold passes at most before idle streams end whose peer
	// cannot be told. It takes those first, since they are the oldest, and a minute is
	// enough for all of them in a pool that is in use.
	untoldHolds = 30

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
		l.renewal = time.AfterFunc(d, l.renew)
	default:
		l.renewal.Reset(d)
	}
}

// renew has a connection replaced. One that carries nothing is closed instead: nobody
// needs another in its place, and it would never be vacant for long enough.
func (l *link) renew() {
	if l.retire(); !l.retired.Load() {
		l.carrier.renew(l)
	}
}

// leave takes a connection out of use that has been replaced.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.retired.Swap(true) {
		l.leaving = true
		l.inSteps(l.fade)
	}
}

// fade ends the idle streams of a connection: all of them.
func (l *link) fade(step int) (pause time.Duration) {
	switch {
	case step < fadeSteps:
		l.roster.announce(part(l.roster.waiting(), fadeSteps-step))
		return fadeStep
	case step < fadeSteps+notices:
		l.roster.announce(places)
		l.sayAway()
		return fadeStep
	case step == fadeSteps+notices:
		return fadeHold
	case step < fadeSteps+notices+untoldHolds && l.roster.size() > 0 && !l.tellsAway():
		return fadeHold
	}
	l.roster.dismiss()
	l.carrier.dialer.even()
	return 0
}

// shed ends n of the idle streams.
func (l *link) shed(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= 0 || l.retired.Load() || l.fading != nil {
		return
	}
	l.inSteps(func(step int) (pause time.Duration) {
		switch {
		case step < fadeSteps:
			some := part(n, fadeSteps-step)
			n -= some
			l.roster.announce(some)
			return fadeStep
		case step == fadeSteps:
			return fadeHold
		}
		l.roster.release()
		return 0
	})
}

// inSteps, called under mu, begins to call do(0), do(1) and so on, each after the pause
// that the one before returned, until that is zero or the connection has ended.
func (l *link) inSteps(do func(step int) (pause time.Duration)) {
	step := 0
	var timer *time.Timer
	timer = time.AfterFunc(0, func() {
		l.stepping.Lock()
		defer l.stepping.Unlock()
		pause := do(step)
		step++
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case pause > 0 && l.Context().Err() == nil:
			timer.Reset(pause)
		case l.fading == timer && !l.leaving:
			l.fading = nil
		}
	})
	l.fading = timer
}

// part is how many of n to take in the first of so many steps.
func part(n, steps int) int { return (n + steps - 1) / steps }
