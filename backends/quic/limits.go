package quic

import "github.com/vistone/poolkit/backends/internal/access"

// Limits bound what one peer may take of a server, so that no peer can take it from
// the others. A peer is an IP address: clients behind one NAT are one peer, and so
// are all the addresses of an IPv6 network of 64 bits, which whoever is in it may
// choose from (RFC 4291, section 2.5.1). Peers whose addresses are not IP addresses,
// on a PacketConn of the user's, have no limits of their own.
//
// Zero means the default, a negative number no limit. The defaults disturb no pool of
// [Dial] or [NewClientPool], nor several of them behind one NAT. Where all clients
// come through one proxy that hides their addresses, set no limits.
//
// What is refused is refused early and costs little: a connection before its TLS
// handshake, a stream before its ID. Clients go on with what they have, and try again
// at the pace of failures. Nobody is refused because of packets with a forged sender: an
// address counts only once it has answered, or has shown a token that it was given. Whoever
// can read the client's packets could show that too.
type Limits struct {
	// Connections is how many connections a peer may have, those being set up included;
	// default 1024, those of sixteen pools of the largest size. The connections of a
	// client that was cut off count until the server has noticed, which takes up to 40
	// seconds: allow for twice as many as clients need.
	//
	// A server has 4096 connections in all. When fewer than this limit are left, that
	// is how many a peer may have, but 64 in any case, as many as a pool wants: a few
	// peers that take all they can get leave some for the next.
	Connections int

	// Streams is how many streams a peer may have open, idle ones and those in use;
	// default 32768, those of four pools of the largest size. An idle stream costs the
	// server about two kilobytes, and one whose client does not ask for its ID about
	// six, for ten seconds (measured; most of it is the stack of a goroutine). Where
	// several connections begin with early data at once, each of them may have that many.
	Streams int

	// Handshakes is how many connections a peer may begin in a second, over time;
	// default 64, which is less than a tenth of what one core can do. As many as
	// Connections may come at once: those of every client after a restart.
	Handshakes int

	// RetryAbove is how many handshakes a second the server begins with addresses that
	// may be forged, over time, and twice as many at once; default 128. One that is not
	// completed takes up to 55 kilobytes (measured) for five to ten seconds: with the
	// default all of them take about 85 megabytes at most. All beyond, and
	// those of peers that are over their own limits, have to prove their address first
	// (QUIC's Retry, RFC 9000, section 8.1.2). That costs a client one round trip, and
	// none if it has been connected in the last day: it then brings a token.
	RetryAbove int
}

// defaultLimits are the documented ones.
var defaultLimits = Limits{
	Connections: 16 * maxShards,
	Streams:     4 * maxShards * places,
	Handshakes:  64,
	RetryAbove:  128,
}

// resolved returns the limits with every number positive.
func (l Limits) resolved() Limits {
	return Limits{
		Connections: access.Limit(l.Connections, defaultLimits.Connections),
		Streams:     access.Limit(l.Streams, defaultLimits.Streams),
		Handshakes:  access.Limit(l.Handshakes, defaultLimits.Handshakes),
		RetryAbove:  access.Limit(l.RetryAbove, defaultLimits.RetryAbove),
	}
}
