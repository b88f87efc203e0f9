package quic

import (
	"errors"
	"sync/atomic"
)

// Refusals counts what a server turns away, for whoever wants to know: see
// [ListenConfig.Refusals]. The zero value is ready for use, and several pools may share
// one. To count costs the same however many strangers come, and who they were is not
// kept: under attack that would be too much.
type Refusals struct {
	// Connections, by the reason: the address is not allowed, also where a connection has
	// moved there; the peer has as many as Limits.Connections; it begins more than
	// Limits.Handshakes; the server has as many as it can.
	NotAllowed, Connections, Handshakes, Full atomic.Uint64

	// Streams are those beyond Limits.Streams.
	Streams atomic.Uint64

	// Proofs counts the handshakes that were not refused, but had to prove their address
	// first: see Limits.RetryAbove.
	Proofs atomic.Uint64
}

// count counts a connection that is refused because of err.
func (r *Refusals) count(err error) {
	switch {
	case errors.Is(err, errNotAllowed):
		r.NotAllowed.Add(1)
	case errors.Is(err, errManyConns):
		r.Connections.Add(1)
	case errors.Is(err, errHandshakeRate):
		r.Handshakes.Add(1)
	default:
		r.Full.Add(1)
	}
}
