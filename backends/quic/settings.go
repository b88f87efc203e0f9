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

// Receive windows, which bound what a peer may send before somebody reads it. They are
// promises, not allocations, and these are the largest: see budget.
//
// A stream that nobody reads fills its own window and takes that out of its
// connection's. When a connection's is used up, no stream of it moves, and none can be
// made, until somebody reads. Measured on simulated paths of 50 and 100 ms:
//
//   - quic-go renews a window once a quarter of it has been read. So only three quarters
//     of a connection's are there for certain: with 1 : 32 it stood still at 24 unread
//     streams, not at 32.
//   - With 1 : 192 all 128 streams can stand unread, and take two thirds. What is left
//     is for streams that have been read, whose windows have grown: one with 96 MiB.
//     Where no others stand unread, twelve such can.
//   - A stream's first window doubles with each round trip while it is read, as fast as
//     congestion control opens on a new connection: there 100 MiB took 29 or 30 round
//     trips with each from 64 to 512 KiB. On one that has carried much, each halving costs
//     whoever sends more than that a round trip: 1 MiB took 1.5 with 512 KiB, 2.5 with
//     256, 4.5 with 64.
//   - The last window bounds the rate: 6 MiB carry 120 MB/s over 50 ms. With 4 MiB the
//     100 MiB took 38 round trips, with 2 MiB 68.
const (
	firstStreamWindow   = maxConnectionWindow / streamsPerWindow
	maxStreamWindow     = 6 << 20
	maxConnectionWindow = 96 << 20

	// streamsPerWindow is how many first windows of streams make one of a connection.
	streamsPerWindow = 192
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
		InitialStreamReceiveWindow:     firstStreamWindow,
		MaxStreamReceiveWindow:         maxStreamWindow,
		InitialConnectionReceiveWindow: maxConnectionWindow,
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
	c.TokenStore = quicgo.NewLRUTokenStore(maxShards, maxShards) // spares a busy server's clients the retry
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
