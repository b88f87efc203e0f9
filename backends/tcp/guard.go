package tcp

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/vistone/poolkit/backends/internal/access"
)

// guard decides who may connect to a server, and how much of it one peer may have. It
// keeps an account of every peer that has connections, and of no others.
type guard struct {
	allow    access.AllowList
	limits   Limits // all positive
	refusals *Refusals

	mu       sync.Mutex
	accounts map[netip.Addr]*account // guarded by mu, as is the next
	total    account
}

// account is what one peer has, or all of them.
type account struct {
	connections int
	handshakes  int // of these, those that are being set up
}

// least is what a peer may have while others take all they can get: as many as one pool
// dials at once.
const least = dialsAtOnce

// newGuard returns a guard that counts what it refuses, where refusals is not nil.
func newGuard(allow access.AllowList, limits Limits, refusals *Refusals) *guard {
	if refusals == nil {
		refusals = new(Refusals)
	}
	return &guard{allow: allow, limits: limits.resolved(), refusals: refusals, accounts: make(map[netip.Addr]*account)}
}

// greet decides about a connection that has just been accepted. It returns nil for one
// that is to be turned away.
func (g *guard) greet(addr net.Addr) *guest {
	if !g.allow.Allows(addr) {
		g.refusals.NotAllowed.Add(1)
		return nil
	}
	v := &guest{guard: g, peer: access.PeerOf(addr)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if full := g.full(v.peer); full != nil {
		full.Add(1)
		return nil
	}
	v.count(1, 1)
	return v
}

// full returns, with mu held, what counts that a peer may not have one connection more, or
// nil if it may.
func (g *guard) full(peer netip.Addr) *atomic.Uint64 {
	l, a := g.limits, g.accounts[peer]
	switch {
	case g.total.connections >= l.TotalConnections || g.total.handshakes >= l.TotalHandshakes:
		return &g.refusals.Full
	case a == nil:
		return nil
	case a.connections >= share(l.Connections, l.TotalConnections-g.total.connections):
		return &g.refusals.Connections
	case a.handshakes >= share(l.Handshakes, l.TotalHandshakes-g.total.handshakes):
		return &g.refusals.Handshakes
	}
	return nil
}

// share is how many a peer may have where so many are left for all.
func share(limit, left int) int { return min(limit, max(left, least)) }

// guest is a connection to a server, as its guard sees it.
type guest struct {
	guard *guard
	peer  netip.Addr // invalid where it has no IP address

	settled, left bool // guarded by guard.mu
}

// settle notes that the connection is set up.
func (v *guest) settle() {
	v.guard.mu.Lock()
	defer v.guard.mu.Unlock()
	if !v.settled && !v.left {
		v.settled = true
		v.count(0, -1)
	}
}

// leave notes that the connection is closed, or no longer the pool's.
func (v *guest) leave() {
	v.guard.mu.Lock()
	defer v.guard.mu.Unlock()
	switch {
	case v.left:
	case v.settled:
		v.count(-1, 0)
	default:
		v.count(-1, -1)
	}
	v.left = true
}

// count adds, with the guard's mu held, to what the peer has.
func (v *guest) count(connections, handshakes int) {
	g := v.guard
	g.total.connections += connections
	g.total.handshakes += handshakes
	if !v.peer.IsValid() {
		return
	}
	a := g.accounts[v.peer]
	if a == nil {
		a = new(account)
		g.accounts[v.peer] = a
	}
	a.connections += connections
	a.handshakes += handshakes
	if a.connections == 0 {
		delete(g.accounts, v.peer)
	}
}
