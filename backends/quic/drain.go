package quic

import (
	"context"
	"time"
)

// announce tells the servers to take no more idle streams, and waits as long as the
// IDs of those they have taken may be on their way.
func (d *dialer) announce(ctx context.Context) {
	links := d.open()
	var wait time.Duration
	for _, l := range links {
		if l.tellsAway() {
			wait = max(wait, 4*probeTimeout(l.ConnectionStats()))
		}
	}
	if wait == 0 {
		return
	}
	left := notices
	every(ctx, noticeEvery, wait+notices*noticeEvery, func() bool {
		if left--; left >= 0 {
			for _, l := range links {
				l.sayAway()
			}
		}
		return false
	})
}

// linger implements poolkit.Config.Linger.
func (d *dialer) linger(ctx context.Context) {
	var conns []*connection
	for _, l := range d.open() {
		conns = append(conns, l.connection)
	}
	linger(ctx, conns)
}

// heedAfter is how old a connection has to be before its server is believed to leave:
// then one that always says so costs no more connections than one that always fails. A
// server that does leave says so again, ten times a second.
const heedAfter = 2 * time.Second

// told is called when the server of a connection says that it is leaving. Another
// connection is made, elsewhere if there is more than one server.
func (l *link) told() {
	if time.Since(l.made) < heedAfter || l.ending.Swap(true) {
		return
	}
	l.carrier.dialer.eject(l.addr)
	l.carrier.renew(l)
}

// announce tells the clients that the server is leaving, and lets them go: until no
// connection has a stream that nobody uses.
func (a *acceptor) announce(ctx context.Context) {
	a.leaving.Store(true)
	_ = a.listener.Close() // leaves the connections alone
	every(ctx, noticeEvery, partingTime, func() bool {
		idle := 0
		for _, c := range a.open() {
			if c.tellsAway() {
				c.sayAway()
				idle += c.roster.size()
			}
		}
		return idle == 0
	})
}

// linger implements poolkit.Config.Linger.
func (a *acceptor) linger(ctx context.Context) { linger(ctx, a.open()) }
