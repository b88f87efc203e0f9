package quic

import (
	"crypto/tls"
	"net"
	"sync"
)

// PeerInfo is what a server knows of a client whose handshake is complete.
type PeerInfo struct {
	RemoteAddr net.Addr            // where the connection came from
	TLS        tls.ConnectionState // with the client's certificate, if TLS.ClientAuth asks for one
}

// named gives the connection of a client the name that the user chooses. That is asked
// for once, by the first stream; should it panic, it does so again for the others.
func (c *connection) named(name func(PeerInfo) string) {
	if name == nil {
		return
	}
	c.peer = sync.OnceValue(func() string {
		return name(PeerInfo{RemoteAddr: c.remote, TLS: c.ConnectionState().TLS})
	})
}

// Peer returns the name of the peer: at a server what [ListenConfig.Peer] says, at a
// client the server's address. It stays the same for all of the connection's life.
func (s *StreamConn) Peer() string { return s.conn.peer() }
