package tcp

import "github.com/vistone/poolkit/backends/internal/access"

// Limits bound what one peer may take of a server, so that no peer can take it from
// the others. A peer is an IP address: clients behind one NAT are one peer, and so
// are all the addresses of an IPv6 network of 64 bits, which whoever is in it may
// choose from (RFC 4291, section 2.5.1). Peers whose addresses are not IP addresses,
// on a Listener of the user's, have no limits of their own.
//
// Zero means the default, a negative number no limit. The defaults disturb no pool of
// [DialPeer] or [NewClientPool], nor several of them behind one NAT. Where all clients
// come through one proxy that hides their addresses, set no limits.
//
// A connection that is one too many is reset before anything is read from it or written
// to it. Clients go on with those they have, and try again at the pace of failures.
type Limits struct {
	// Connections is how many connections a peer may have, idle ones, those in use and
	// those being set up; default 16384, those of two pools of the largest size. An idle
	// connection costs the server a descriptor. Those of a client that was cut off count
	// until keep-alives have found out.
	Connections int

	// Handshakes is how many of a peer's connections may be in the middle of being set
	// up: accepted, but without their ID. Default 256, as many as eight pools dial at
	// once. Each of them costs a goroutine and, with TLS, the memory and the computing of
	// its handshake, for ten seconds at most.
	Handshakes int

	// TotalConnections and TotalHandshakes are how many all peers may have together;
	// default 65536 and 1024. When fewer than a peer's own limit are left, that is how
	// many it may have, but a few in any case: peers that take all they can get leave some
	// for the next.
	TotalConnections, TotalHandshakes int
}

// What a pool of clients may take of a server.
const (
	largest     = 8192 // connections that a compatibility pool has open
	dialsAtOnce = 32   // default of DialConfig.MaxDialing
)

// defaultLimits are the documented ones.
var defaultLimits = Limits{
	Connections:      2 * largest,
	Handshakes:       8 * dialsAtOnce,
	TotalConnections: 8 * largest,
	TotalHandshakes:  32 * dialsAtOnce,
}

// resolved returns the limits with every number positive.
func (l Limits) resolved() Limits {
	return Limits{
		Connections:      access.Limit(l.Connections, defaultLimits.Connections),
		Handshakes:       access.Limit(l.Handshakes, defaultLimits.Handshakes),
		TotalConnections: access.Limit(l.TotalConnections, defaultLimits.TotalConnections),
		TotalHandshakes:  access.Limit(l.TotalHandshakes, defaultLimits.TotalHandshakes),
	}
}
