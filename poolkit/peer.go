package poolkit

import (
	"cmp"
	"slices"

	"github.com/vistone/poolkit/sharding"
)

// PeerStats is one peer of a pool at one moment.
type PeerStats struct {
	Peer    string // as [Config.Peer] names it
	Idle    int    // its members ready
	OnLoan  int    // its members lent out
	Closing int    // its members being shut
	Waiting int    // callers waiting for one of its members
}

// Peers returns the peers that have members, or are waited for, in the order of their
// names. All the numbers belong together. It is meant for looking, not for choosing:
// it takes longer the more peers there are, and others wait meanwhile. Without
// [Config.Peer] there are none.
func (p *Pool[C]) Peers() []PeerStats {
	p.mu.Lock()
	all := p.ledger.peerStats()
	p.mu.Unlock()
	slices.SortFunc(all, func(a, b PeerStats) int { return cmp.Compare(a.Peer, b.Peer) })
	return all
}

// peer is what the ledger knows of one peer, as long as a member of it is open.
type peer[C any] struct {
	name string
	held [sharding.Closing + 1]int // its members by what their places are used for
	idle queue[C]
}

// peers are those with members. It is nil in a pool that does not tell them apart.
type peers[C any] map[string]*peer[C]

// join makes a member, whose place is promised, one of the peer with that name.
func (ps peers[C]) join(m *member[C], name string) {
	if ps == nil {
		return
	}
	p := ps[name]
	if p == nil {
		p = &peer[C]{name: name, idle: queue[C]{by: ofPeer}}
		ps[name] = p
	}
	p.held[sharding.Promised]++
	m.peer = p
}

// moved notes what a member's place is used for now. A peer is forgotten with its
// last member.
func (ps peers[C]) moved(m *member[C], from, to sharding.State) {
	p := m.peer
	if p == nil {
		return
	}
	p.held[from]--
	p.held[to]++
	if to == sharding.Free && p.open() == 0 {
		delete(ps, p.name)
	}
}

// open returns how many members the peer has.
func (p *peer[C]) open() int {
	return p.held[sharding.Promised] + p.held[sharding.Landed] + p.held[sharding.Closing]
}

// peerStats describes every peer, in no order.
func (l *ledger[C]) peerStats() []PeerStats {
	all := make([]PeerStats, 0, len(l.peers)+len(l.waiters.byPeer))
	for name, p := range l.peers {
		s := PeerStats{
			Peer:    name,
			Idle:    p.idle.len,
			OnLoan:  p.held[sharding.Landed] - p.idle.len,
			Closing: p.held[sharding.Closing],
		}
		if ln := l.waiters.byPeer[name]; ln != nil {
			s.Waiting = ln.len
		}
		all = append(all, s)
	}
	for name, ln := range l.waiters.byPeer {
		if l.peers[name] == nil {
			all = append(all, PeerStats{Peer: name, Waiting: ln.len})
		}
	}
	return all
}
