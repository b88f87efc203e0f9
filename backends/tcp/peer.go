package tcp

import (
	"crypto/tls"
	"net"
)

// PeerInfo is what a server knows of a client whose handshake is complete.
type PeerInfo struct {
	RemoteAddr net.Addr            // where the connection came from
	TLS        tls.ConnectionState // with the client's certificate, if TLS.ClientAuth asks for one; zero without TLS
}

// Peer returns the name of the peer: at a server what [ListenConfig.Peer] says, at a
// client the server's address.
func (c *Conn) Peer() string {
	if c.meeting == nil {
		return c.RemoteAddr().String()
	}
	return c.meeting.peer
}
