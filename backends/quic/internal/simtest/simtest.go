// Package simtest is a network for tests in virtual time. It is used inside the
// bubbles of [testing/synctest]: there an hour takes no time, and a round trip
// takes exactly as long as it is said to.
//
// It wraps quic-go's simulated network, which promises no stable API, in one place.
package simtest

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// port is the UDP port of every host.
const port = 4433

// Network is a number of hosts, each with one UDP socket. All methods may be called
// at any time; what they change holds for packets that are sent from then on.
type Network struct {
	hosts []*simnet.SimConn

	router simnet.PerfectRouter

	mu     sync.Mutex
	random *rand.Rand // guarded by mu, as is the rest
	loss   float64
	jitter time.Duration
	harm   map[string]harm // to the packets from and to a host
	cut    map[string]bool // hosts whose packets are lost, both ways
	passed int
	tap    func(from string, data []byte) // or nil
}

// New returns a running network of so many hosts, with a path of the given round
// trip time between any two. It ends with the test, after everything that the test
// registers for cleanup later.
func New(tb testing.TB, hosts int, rtt time.Duration) *Network {
	tb.Helper()
	n := &Network{random: rand.New(rand.NewPCG(1, 2)), cut: make(map[string]bool), harm: make(map[string]harm)}
	sim := &simnet.Simnet{Router: n}
	for i := range hosts {
		addr := &net.UDPAddr{IP: net.IPv4(10, 0, 0, byte(i+1)).To4(), Port: port} // the form in which addresses are resolved
		n.hosts = append(n.hosts, sim.NewEndpoint(addr, simnet.NodeBiDiLinkSettings{
			LatencyFunc: func(p simnet.Packet) time.Duration { return rtt/2 + n.extra(p) },
		}))
	}
	if err := sim.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, h := range n.hosts {
			_ = h.Close() // never fails
		}
		if err := sim.Close(); err != nil {
			tb.Error(err)
		}
	})
	return n
}

// Socket returns the socket of a host. It outlives those who use it.
func (n *Network) Socket(host int) net.PacketConn { return n.hosts[host] }

// Addr returns the address of a host's socket, host:port.
func (n *Network) Addr(host int) string { return n.hosts[host].LocalAddr().String() }

// Sent returns how many packets a host has sent.
func (n *Network) Sent(host int) int { return n.hosts[host].Stats().PacketsSent }

// Passed returns how many packets the network has carried.
func (n *Network) Passed() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.passed
}

// Lose makes the network lose a share of the packets, from 0 to 1.
func (n *Network) Lose(share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = share
}

// Jitter makes packets arrive up to that much later, each by chance, so that they
// overtake each other.
func (n *Network) Jitter(most time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.jitter = most
}

// Cut makes the network lose every packet from and to a host, or no longer.
func (n *Network) Cut(host int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[n.Addr(host)] = cut
}

// harm is what is wrong with the path to a host.
type harm struct {
	loss  float64
	delay time.Duration
}

// Harm makes the network lose a share of the packets from and to a host, and delay
// the others.
func (n *Network) Harm(host int, loss float64, delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.harm[n.Addr(host)] = harm{loss, delay}
}

func (n *Network) extra(p simnet.Packet) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	delay := n.harm[p.From.String()].delay + n.harm[p.To.String()].delay
	if n.jitter > 0 {
		delay += time.Duration(n.random.Int64N(int64(n.jitter)))
	}
	return delay
}

// Tap makes tap see every packet that is sent, with the address of its sender. It
// must not keep data.
func (n *Network) Tap(tap func(from string, data []byte)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = tap
}

// AddNode implements simnet.Router.
func (n *Network) AddNode(addr net.Addr, node simnet.PacketReceiver) { n.router.AddNode(addr, node) }

// SendPacket implements simnet.Router.
func (n *Network) SendPacket(p simnet.Packet) error {
	n.mu.Lock()
	from, to := p.From.String(), p.To.String()
	loss := n.loss + n.harm[from].loss + n.harm[to].loss
	lost := n.cut[from] || n.cut[to] || loss > 0 && n.random.Float64() < loss
	if !lost {
		n.passed++
	}
	if n.tap != nil {
		n.tap(p.From.String(), p.Data)
	}
	n.mu.Unlock()
	if lost {
		return nil
	}
	return n.router.SendPacket(p)
}
