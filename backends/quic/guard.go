package quic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/access"
)

// guard decides who may connect to a server, and how much of it one peer may have.
//
// It keeps an account of every peer that has connections or streams, at most
// 2 * maxPeers, and of the maxIdleAccounts others that were seen last: less than two
// megabytes, whoever comes. Only a peer that has proven its address has one: packets
// with a forged sender change nothing but the rate of handshakes that are begun without
// proof.
type guard struct {
	allow    access.AllowList
	limits   Limits // all positive
	refusals *Refusals

	unprovenRate, handshakeRate rate // of the limits

	mu       sync.Mutex
	unproven bucket // guarded by mu, as is the rest: handshakes of addresses without proof
	accounts map[netip.Addr]*account
	idle     list[*account]  // those without connections and streams, the longest unused first
	idlers   int             // how many
	proven   int             // connections with an account, those being set up included
	guests   map[*guest]bool // connections that are set up
}

// maxIdleAccounts bounds the accounts of peers that have nothing: one with connections
// or streams is never forgotten. What they say is that a peer began handshakes lately;
// in most cases that is soon the past.
const maxIdleAccounts = maxPeers

// account is what one peer has. The guard's mu guards it.
type account struct {
	peer       netip.Addr
	conns      int
	streams    int
	handshakes bucket
	place      node[*account] // in idle
}

var (
	errNotAllowed    = errors.New("the address is not allowed")
	errManyConns     = errors.New("the address has as many connections as it may")
	errHandshakeRate = errors.New("the address begins too many connections")
	errServerFull    = errors.New("the server has as many connections as it can")
)

// newGuard returns a guard that counts what it refuses, where refusals is not nil.
func newGuard(allow access.AllowList, limits Limits, refusals *Refusals) *guard {
	l := limits.resolved()
	if refusals == nil {
		refusals = new(Refusals)
	}
	return &guard{
		allow:         allow,
		limits:        l,
		refusals:      refusals,
		unprovenRate:  perSecond(l.RetryAbove, 2*min(l.RetryAbove, math.MaxInt/2)),
		handshakeRate: perSecond(l.Handshakes, l.Connections),
		accounts:      make(map[netip.Addr]*account),
		guests:        make(map[*guest]bool),
	}
}

// demandsProof reports whether a client has to prove its address, before anything
// else is done for it: it is quic-go's VerifySourceAddress.
func (g *guard) demandsProof(addr net.Addr) bool {
	if !g.allow.Allows(addr) {
		return false // greet refuses it
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	a := g.accounts[access.PeerOf(addr)]
	if (a == nil || g.refuses(a, now) == nil) && g.unproven.take(now, g.unprovenRate) {
		return false
	}
	g.refusals.Proofs.Add(1)
	return true
}

// greet is called for a client that wants to connect, before the TLS handshake: it is
// quic-go's ConnContext. A client that has proven its address becomes a guest, or is
// refused. Others do when their handshake has proven it, in [guard.arrive].
func (g *guard) greet(ctx context.Context, info *quicgo.ClientInfo) (context.Context, error) {
	if !g.allow.Allows(info.RemoteAddr) {
		g.refusals.count(errNotAllowed)
		return nil, fmt.Errorf("%v: %w", info.RemoteAddr, errNotAllowed)
	}
	v := &guest{guard: g, peer: access.PeerOf(info.RemoteAddr)}
	if info.AddrVerified {
		if err := v.prove(); err != nil {
			g.refusals.count(err)
			return nil, fmt.Errorf("%v: %w", info.RemoteAddr, err)
		}
	}
	context.AfterFunc(ctx, v.leave) // the context ends with the connection
	return context.WithValue(ctx, guestKey{}, v), nil
}

// guestKey is the key of a connection's guest in its context.
type guestKey struct{}

// refuses says why a peer may not have one connection more now, if so. g.mu is held.
func (g *guard) refuses(a *account, now time.Time) error {
	left := maxPeers - g.proven
	switch {
	case a.conns >= min(g.limits.Connections, max(left, maxShards)):
		return errManyConns
	case a.handshakes.empty(now, g.handshakeRate):
		return errHandshakeRate
	}
	return nil
}

// account returns the account of a peer. g.mu is held.
func (g *guard) account(peer netip.Addr, now time.Time) *account {
	a := g.accounts[peer]
	if a != nil {
		return a
	}
	for n := g.idle.front(); n != nil && (g.idlers >= maxIdleAccounts || n.value.handshakes.isFull(now)); n = g.idle.front() {
		g.forget(n.value)
	}
	a = &account{peer: peer}
	g.accounts[peer] = a
	g.rest(a)
	return a
}

// rest notes, with g.mu held, that a peer may have nothing any more.
func (g *guard) rest(a *account) {
	if a.conns > 0 || a.streams > 0 {
		return
	}
	g.idle.push(&a.place, a)
	g.idlers++
}

// wake notes, with g.mu held, that a peer is about to have something.
func (g *guard) wake(a *account) {
	if a.place.remove() {
		g.idlers--
	}
}

// forget closes, with g.mu held, the account of a peer that has nothing.
func (g *guard) forget(a *account) {
	g.wake(a)
	delete(g.accounts, a.peer)
}
