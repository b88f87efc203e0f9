package stream

import (
	"net"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// network is where a server and its clients are. Its sockets outlive everything that uses
// them.
type network struct {
	socket func() net.PacketConn // the next; the first is the server's
	close  func()
}

// loopback is a network of real sockets, on which a round trip takes no time.
func loopback() network {
	var all []net.PacketConn
	return network{
		socket: func() net.PacketConn {
			s, err := net.ListenPacket("udp", "127.0.0.1:0")
			must(err)
			all = append(all, s)
			return s
		},
		close: func() {
			for _, s := range all {
				must(s.Close())
			}
		},
	}
}

// distance is the round trip time of distant.
const distance = 50 * time.Millisecond

// distant is a network of two sockets inside this process, in real time.
func distant() network {
	sim := simnet.Simnet{Router: &simnet.PerfectRouter{}}
	var all []net.PacketConn
	for host := range byte(2) {
		addr := &net.UDPAddr{IP: net.IPv4(10, 0, 0, host+1).To4(), Port: 4433}
		all = append(all, sim.NewEndpoint(addr, simnet.NodeBiDiLinkSettings{Latency: distance / 2}))
	}
	must(sim.Start())
	next := 0
	return network{
		socket: func() net.PacketConn {
			next++
			return all[next-1]
		},
		close: func() {
			for _, s := range all {
				must(s.Close())
			}
			must(sim.Close())
		},
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
