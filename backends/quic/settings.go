package quic

import (
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// The documented shape of a pool.
const (
	places    = 128 // streams on a connection
	maxShards = 64  // connections of a client pool

	// maxPeers bounds the connections of a server pool, over all clients: 64 clients
	// with 64 connections each.
	maxPeers = 4096
)

// How connections are kept and given up.
const (
	handshakeTimeout = 5 * time.Second

	// idleTimeout and the keep-alive period decide when a silent peer is given up:
	// after at most their sum. NATs forget a silent UDP flow after 30 s.
	idleTimeout      = 30 * time.Second
	defaultKeepAlive = 10 * time.Second

	// exchangeTimeout bounds the exchange on a new stream: a hundred round trips of the
	// slowest path there is.
	exchangeTimeout = 10 * time.Second

	// settingUp is how many connections are set up at once. A quic-go listener queues
	// 32 and asks the later ones to retry; eight were never refused.
	settingUp = 8

	// vacancy is how long a connection without streams is kept.
	vacancy = 30 * time.Second
)

// Receive windows. A stream that nobody reads can fill its own window, so what a
// connection admits in all has to be a multiple of that: with 1 : 32 a quarter of
// the 128 streams can stand unread before the connection stalls. Both are bounds,
// not allocations; the stream's grows to its maximum while it is being read.
const (
	initialStreamWindow     = 512 << 10
	maxStreamWindow         = 6 << 20
	initialConnectionWindow = 16 << 20
	maxConnectionWindow     = 64 << 20
)

// packetSize fits the tunnels and VPNs that carry less than quic-go's default of
// 1280 bytes; path MTU discovery grows it where more fits.
const packetSize = 1200

func settings(keepAlive time.Duration) *quicgo.Config {
	if keepAlive <= 0 {
		keepAlive = defaultKeepAlive
	}
	return &quicgo.Config{
		HandshakeIdleTimeout:           handshakeTimeout,
		MaxIdleTimeout:                 idleTimeout,
		KeepAlivePeriod:                keepAlive,
		InitialStreamReceiveWindow:     initialStreamWindow,
		MaxStreamReceiveWindow:         maxStreamWindow,
		InitialConnectionReceiveWindow: initialConnectionWindow,
		MaxConnectionReceiveWindow:     maxConnectionWindow,
		InitialPacketSize:              packetSize,
		MaxIncomingUniStreams:          -1,
		EnableDatagrams:                true, // for pulse
	}
}

// clientSettings are those of connections we dial. The server opens no streams.
func clientSettings(keepAlive time.Duration) *quicgo.Config {
	c := settings(keepAlive)
	c.MaxIncomingStreams = -1
	c.TokenStore = quicgo.NewLRUTokenStore(1, maxShards) // spares a busy server's clients the retry
	return c
}

// serverSettings are those of connections we accept. The client alone keeps them
// alive: pings from both ends would only double the traffic.
func serverSettings() *quicgo.Config {
	c := settings(0)
	c.KeepAlivePeriod = 0
	c.MaxIncomingStreams = places
	return c
}
