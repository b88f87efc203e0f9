package tcp

import "sync/atomic"

// Refusals counts the connections that a server turns away, by the reason, for whoever
// wants to know: see [ListenConfig.Refusals]. The zero value is ready for use, and several
// pools may share one. To count costs the same however many strangers come, and who they
// were is not kept: under attack that would be too much.
type Refusals struct {
	NotAllowed  atomic.Uint64 // the address is not allowed
	Connections atomic.Uint64 // the peer has as many as Limits.Connections
	Handshakes  atomic.Uint64 // it has as many in the middle of being set up as Limits.Handshakes
	Full        atomic.Uint64 // all peers together have as many as they may
}
