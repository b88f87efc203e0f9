package stream

import (
	"context"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// pools is a pool at each end.
type pools struct {
	client, server *poolkit.Pool[*quic.StreamConn]
}

func openPools(n network, s shape, interval time.Duration) ends {
	serverTLS, clientTLS := identity()
	socket := n.socket()
	server, err := quic.Listen(quic.ListenConfig{PacketConn: socket, TLS: serverTLS, Capacity: s.ready})
	must(err)
	client, err := quic.Dial(quic.DialConfig{
		Addr: socket.LocalAddr().String(), TLS: clientTLS, PacketConn: n.socket(),
		Connections: s.connections, MinCapacity: s.ready, MaxCapacity: s.ready,
		Sizing: &sizing.Stepwise{MinInterval: interval, MaxInterval: interval},
	})
	must(err)
	return &pools{client, server}
}

func (p *pools) fill() { must(p.client.WaitReady(context.Background(), 0)) }

func (p *pools) get() end {
	l, err := p.client.Acquire(context.Background())
	must(err)
	return l.Conn()
}

func (p *pools) both() (client, server end) {
	s, err := p.server.Acquire(context.Background())
	must(err)
	c, err := p.client.AcquireID(context.Background(), s.ID())
	must(err)
	return c.Conn(), s.Conn()
}

func (p *pools) cycle() {
	c, s := p.both()
	must(c.Close())
	must(s.Close())
}

func (p *pools) close() {
	must(p.client.Close())
	must(p.server.Close())
}
