package tcp

import (
	"net"
	"testing"

	"github.com/vistone/poolkit/backends/internal/peertest"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

func TestAPoolThatDialsAPeerIsABackend(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) { pooltest.Run(t, w.dialling) })
}

func TestAPoolThatListensIsABackend(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) { pooltest.Run(t, w.listening) })
}

// dialling is the client's end of a backend, whose peer is a server.
func (w *site) dialling(tb testing.TB) pooltest.Backend[*Conn] {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := &acceptor{listener: ln, tls: w.server, guard: newGuard(nil, Limits{}, nil)}
	door := &peertest.Door[*Conn]{Acceptor: a}
	core := a.core(1, poolkit.Hooks{})
	core.Acceptor = door
	var peer peertest.Peer[*Conn]
	peer.Start(tb, core)

	cfg := DialConfig{Addr: ln.Addr().String(), TLS: w.client, DialContext: dialThrough(&peer.Network)}
	d, _, err := cfg.dialer()
	if err != nil {
		tb.Fatal(err)
	}
	d.meets = true
	core = cfg.core(d)
	meetings(&core)
	b := peer.Backend(core)
	b.Refuse, b.Stall = door.Shut, peer.Network.Close
	b.Recover = func() {
		door.Open()
		peer.Network.Open()
	}
	return b
}

// listening is the server's end of a backend, whose peer is a client.
func (w *site) listening(tb testing.TB) pooltest.Backend[*Conn] {
	const most = 12
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	a := &acceptor{listener: ln, tls: w.server, guard: newGuard(nil, Limits{}, nil)}
	var peer peertest.Peer[*Conn]
	cfg := DialConfig{
		Addr: ln.Addr().String(), TLS: w.client, DialContext: dialThrough(&peer.Network),
		MinCapacity: most, MaxCapacity: most, MaxOpen: most,
	}
	d, _, err := cfg.dialer()
	if err != nil {
		tb.Fatal(err)
	}
	d.meets = true
	core := cfg.core(d)
	meetings(&core)
	peer.Start(tb, core)
	b := peer.Backend(a.core(1, poolkit.Hooks{}))
	b.Stall, b.Recover = peer.Network.Close, peer.Network.Open
	return b
}
