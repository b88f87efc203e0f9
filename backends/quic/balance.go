package quic

import (
	"net/netip"
	"time"
)

// probeSpacing is between the probes of connections to one server: quic-go answers few
// that come at once with a stateless reset.
const probeSpacing = time.Millisecond

// eject keeps new connections from an address that has failed, while there are
// others. They come back to it when the ejection ends. The other connections to it are
// probed: a server that was restarted, and has its secret, ends them all at once.
func (d *dialer) eject(addr netip.AddrPort) {
	ejection, ok := d.addresses.failed(addr, time.Now())
	if !ok {
		return
	}
	pause := time.Duration(0)
	for _, l := range d.open() {
		if l.addr == addr && l.settled() {
			time.AfterFunc(pause, l.probe)
			pause += probeSpacing
		}
	}
	if targets := d.targets.Load(); len(*targets) > 1 {
		time.AfterFunc(ejection, d.rebalance)
	}
}

// rebalance looks whether a server has less than its share, and if so begins to make
// a connection to it. Only when that is there do streams move.
func (d *dialer) rebalance() {
	targets, now := *d.targets.Load(), time.Now()
	if crowded, ok := d.addresses.uneven(targets, now); ok {
		for i := range d.carriers {
			if l := d.carriers[i].link.Load(); l.alive() && l.addr == crowded {
				d.carriers[i].renew(l)
				return
			}
		}
	}
	if !d.addresses.unused(targets, now) {
		return
	}
	for i := range d.spread {
		if !d.carriers[i].link.Load().alive() {
			d.carriers[i].extend()
			return
		}
	}
}

// even makes the connection with the most streams give up what it has more than its
// share. They are replaced where there are fewest.
func (d *dialer) even() {
	var most *link
	highest, all, connections := 0, 0, 0
	for i := range d.spread {
		l := d.carriers[i].link.Load()
		if !l.alive() {
			continue
		}
		n := l.load()
		all += n
		connections++
		if n > highest {
			most, highest = l, n
		}
	}
	if most != nil {
		most.shed(highest - part(all, connections))
	}
}
