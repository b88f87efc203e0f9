package quic

import (
	"net/netip"
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
	if l.retired.Swap(true) {
		return
	}
	l.leaving = true
	steps := fadeSteps
	l.fading = time.AfterFunc(fadeAfter, func() { l.fade(&steps) })
}

// fade lets go a part of the idle streams, after the last step all. It runs on the
// timer's goroutine.
func (l *link) fade(steps *int) {
	if *steps == 0 || l.Context().Err() != nil {
		l.roster.dismiss()
		return
	}
	l.roster.let(*steps)
	*steps--
	l.mu.Lock()
	l.fading.Reset(fadeStep)
	l.mu.Unlock()
}

// eject keeps new connections from an address that has failed, while there are
// others.
func (d *dialer) eject(addr netip.AddrPort) {
	ejection, ok := d.addresses.failed(addr, time.Now())
	if targets := d.targets.Load(); ok && len(*targets) > 1 {
		time.AfterFunc(ejection, d.rebalance)
	}
}

// rebalance moves a connection to where there are fewer, and looks again when it has.
func (d *dialer) rebalance() {
	crowded, ok := d.addresses.uneven(*d.targets.Load(), time.Now())
	if !ok {
		return
	}
	for i := range d.carriers {
		if l := d.carriers[i].link.Load(); l.alive() && l.addr == crowded {
			d.carriers[i].renew(l)
			return
		}
	}
}
