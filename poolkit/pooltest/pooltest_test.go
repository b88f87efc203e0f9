package pooltest_test

import (
	"net"
	"testing"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

// backend is a Peer with all that the suite can use.
func backend(testing.TB) pooltest.Backend[net.Conn] {
	p := new(pooltest.Peer)
	return pooltest.Backend[net.Conn]{
		Config:   p.Config(1),
		Echo:     pooltest.Echo[net.Conn],
		PeerID:   func(c net.Conn) (poolkit.ID, error) { return p.ID(c), nil },
		PeerOpen: p.Open,
		Kill:     func(_ poolkit.ID, c net.Conn) { p.Kill(c) },
		Refuse:   p.Refuse,
		Stall:    p.Stall,
		Recover:  p.Recover,
	}
}

func TestThePeerInMemoryIsABackend(t *testing.T)              { pooltest.Run(t, backend) }
func TestThePeerInMemoryIsABackendInVirtualTime(t *testing.T) { pooltest.RunInBubble(t, backend) }
