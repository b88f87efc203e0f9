package quic

import (
	"net"
	"testing"

	"github.com/vistone/poolkit/backends/internal/peertest"
	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

func TestAPoolThatDialsIsABackend(t *testing.T) {
	pooltest.RunInBubble(t, func(tb testing.TB) pooltest.Backend[*StreamConn] {
		n := simtest.New(tb, hosts, rtt)
		b := dialling(tb, n.Socket(serverHost), n.Socket(clientHost))
		b.Stall = func() { n.Cut(serverHost, true) }
		recover := b.Recover
		b.Recover = func() {
			n.Cut(serverHost, false)
			recover()
		}
		return b
	})
}

func TestAPoolThatListensIsABackend(t *testing.T) {
	pooltest.RunInBubble(t, func(tb testing.TB) pooltest.Backend[*StreamConn] {
		n := simtest.New(tb, hosts, rtt)
		b := listening(tb, n.Socket(serverHost), n.Socket(clientHost))
		b.Stall = func() { n.Cut(clientHost, true) }
		b.Recover = func() { n.Cut(clientHost, false) }
		return b
	})
}

func TestAPoolThatDialsIsABackendOnRealSockets(t *testing.T) {
	pooltest.Run(t, func(tb testing.TB) pooltest.Backend[*StreamConn] {
		sockets := loopbackSocket(tb)
		return dialling(tb, sockets(), sockets())
	})
}

// dialling is the client's end of a backend, whose peer is a server.
func dialling(tb testing.TB, there, here net.PacketConn) pooltest.Backend[*StreamConn] {
	tb.Helper()
	conf := simtest.Certificate(tb)
	a, err := listen(acceptorConfig{socket: there, tls: conf})
	if err != nil {
		tb.Fatal(err)
	}
	door := &peertest.Door[*StreamConn]{Acceptor: a}
	cfg := a.poolConfig(places, poolkit.Hooks{})
	cfg.Acceptor = door
	var peer peertest.Peer[*StreamConn]
	peer.Start(tb, cfg)

	d := newDialer(fixed(there.LocalAddr().String()), simtest.Trust(conf), clientSettings(0), here)
	d.spread = 1
	b := peer.Backend(d.poolConfig(1, 1, nil, poolkit.Hooks{}))
	b.Refuse, b.Recover = door.Shut, door.Open
	return b
}

// listening is the server's end of a backend, whose peer is a client.
func listening(tb testing.TB, here, there net.PacketConn) pooltest.Backend[*StreamConn] {
	tb.Helper()
	const streams = 12
	conf := simtest.Certificate(tb)
	a, err := listen(acceptorConfig{socket: here, tls: conf})
	if err != nil {
		tb.Fatal(err)
	}
	d := newDialer(fixed(here.LocalAddr().String()), simtest.Trust(conf), clientSettings(0), there)
	d.spread = 1
	cfg := d.poolConfig(streams, streams, nil, poolkit.Hooks{})
	cfg.Places, cfg.MaxShards = streams, 1
	var peer peertest.Peer[*StreamConn]
	peer.Start(tb, cfg)

	conf2 := a.poolConfig(places, poolkit.Hooks{})
	conf2.Peer = (*StreamConn).Peer
	return peer.Backend(conf2)
}
