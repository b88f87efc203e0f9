package quic

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How long an address is ejected after a failure: doubled with each in a row, up to
// a minute, after which trying again costs next to nothing.
const (
	ejectionFirst = time.Second
	ejectionMost  = time.Minute
)

// target is one server: the name that was looked up, and its addresses, the
// preferred first.
type target struct {
	host  string
	addrs []netip.AddrPort
}

// addresses spreads connections evenly over targets, and ejects an address that
// fails. Time comes in as a value.
type addresses struct {
	mu    sync.Mutex
	known map[netip.AddrPort]*address // guarded by mu; those that have connections, or failed lately
}

// address is what is known about one.
type address struct {
	connections  int
	failures     int // in a row
	ejectedUntil time.Time
	works        bool // the latest attempt to connect succeeded
}

func (a *address) ejected(now time.Time) bool { return a.ejectedUntil.After(now) }

func newAddresses() *addresses {
	return &addresses{known: make(map[netip.AddrPort]*address)}
}

// choice is an address to connect to, and the name of its server.
type choice struct {
	host string
	addr netip.AddrPort
}

// choose returns where to connect, and counts the connection: at the target that has
// the fewest, if its address is not ejected. When all are, it is the one whose ejection
// ends first.
func (a *addresses) choose(targets []target, now time.Time) choice {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now.Add(-ejectionMost))
	var best choice
	var until time.Time
	least := -1
	for _, t := range targets {
		addr, ejected := a.first(t, now)
		switch n := a.connections(t); {
		case !ejected.After(now):
			if least < 0 || n < least {
				best, least = choice{t.host, addr}, n
			}
		case least < 0 && (!best.addr.IsValid() || ejected.Before(until)):
			best, until = choice{t.host, addr}, ejected
		}
	}
	a.at(best.addr).connections++
	return best
}

// forget drops the addresses without a connection whose last ejection ended before.
func (a *addresses) forget(before time.Time) {
	for addr, known := range a.known {
		if known.connections == 0 && known.ejectedUntil.Before(before) {
			delete(a.known, addr)
		}
	}
}

// first returns the address of a target to connect to, and until when it is ejected: the
// first that worked when it was tried last, or else the one whose ejection ends first. That
// a connection was lost says little about an address that works: the server may have been
// started anew. The others of a host may lead nowhere, as ::1 does where one listens on
// 0.0.0.0.
func (a *addresses) first(t target, now time.Time) (best netip.AddrPort, until time.Time) {
	for i, addr := range t.addrs {
		end := now // of its ejection
		known := a.known[addr]
		if known != nil && known.ejected(now) {
			end = known.ejectedUntil
		}
		if known != nil && known.works {
			return addr, end
		}
		if i == 0 || end.Before(until) {
			best, until = addr, end
		}
	}
	return best, until
}

// connections returns how many a target has.
func (a *addresses) connections(t target) (n int) {
	for _, addr := range t.addrs {
		if known := a.known[addr]; known != nil {
			n += known.connections
		}
	}
	return n
}

// at returns what is known of an address, to be changed.
func (a *addresses) at(addr netip.AddrPort) *address {
	known := a.known[addr]
	if known == nil {
		known = new(address)
		a.known[addr] = known
	}
	return known
}

// left counts out a connection that choose has counted.
func (a *addresses) left(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at(addr).connections--
}

// worked ends the failures of an address.
func (a *addresses) worked(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.at(addr)
	known.failures, known.ejectedUntil, known.works = 0, time.Time{}, true
}

// unreachable notes that there is nobody at an address to connect to.
func (a *addresses) unreachable(addr netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at(addr).works = false
}

// failed ejects an address, and returns for how long. It does nothing to one that is
// ejected already: many connections fail with one server.
func (a *addresses) failed(addr netip.AddrPort, now time.Time) (ejection time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.at(addr)
	if known.ejected(now) {
		return 0, false
	}
	ejection = min(ejectionFirst<<known.failures, ejectionMost)
	if ejection < ejectionMost {
		known.failures++
	}
	known.ejectedUntil = now.Add(ejection)
	return ejection, true
}

// unused reports whether there is a target without a connection that could have one.
func (a *addresses) unused(targets []target, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range targets {
		if _, ejected := a.first(t, now); !ejected.After(now) && a.connections(t) == 0 {
			return true
		}
	}
	return false
}

// another reports whether there is a target that can be connected to, other than that of
// an address.
func (a *addresses) another(than netip.AddrPort, targets []target, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range targets {
		if _, ejected := a.first(t, now); !ejected.After(now) && !slices.Contains(t.addrs, than) {
			return true
		}
	}
	return false
}

// uneven returns an address whose target has at least two connections more than
// another that could be connected to.
func (a *addresses) uneven(targets []target, now time.Time) (crowded netip.AddrPort, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var most target
	fewest, highest := -1, -1
	for _, t := range targets {
		n := a.connections(t)
		if _, ejected := a.first(t, now); !ejected.After(now) && (fewest < 0 || n < fewest) {
			fewest = n
		}
		if n > highest {
			most, highest = t, n
		}
	}
	if fewest < 0 || highest < fewest+2 {
		return netip.AddrPort{}, false
	}
	i := slices.IndexFunc(most.addrs, func(addr netip.AddrPort) bool {
		known := a.known[addr]
		return known != nil && known.connections > 0
	})
	return most.addrs[i], true
}
