package simtest

import (
	"net"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// sender is where a packet on its way comes from, and when it is due.
type sender struct {
	*net.UDPAddr
	due time.Time
}

// underway returns how long a packet is still on its way.
func underway(p simnet.Packet) time.Duration { return time.Until(p.From.(*sender).due) }

// socket is the UDP socket of a host. The simulated network keeps what nobody reads
// until somebody does; this drops it.
type socket struct {
	*simnet.SimConn

	late time.Duration // how much a reader may be
}

// ReadFrom implements [net.PacketConn]. Whoever reads in virtual time is never late,
// so a packet that is had no reader when it arrived.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.SimConn.ReadFrom(b)
		if err != nil {
			return n, nil, err
		}
		if from := from.(*sender); !time.Now().After(from.due.Add(s.late)) {
			return n, from.UDPAddr, nil
		}
	}
}
