// Package simtest is a network for tests in virtual time. It is used inside the
// bubbles of [testing/synctest]: there an hour takes no time, and a round trip
// takes exactly as long as it is said to.
//
// It wraps quic-go's simulated network, which promises no stable API, in one place.
package simtest

import (
	"math/rand/v2"
	"net"
	"net/netip"
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
	hosts []*socket
	delay time.Duration // of every packet, at least

	router simnet.PerfectRouter

	mu      sync.Mutex
	random  *rand.Rand // guarded by mu, as is the rest
	loss    float64
	jitter  time.Duration
	harm    map[int]harm           // to the packets from and to a host
	cut     map[int]bool           // hosts whose packets are lost, both ways
	public  []*net.UDPAddr         // what the others know each host by
	at      map[netip.AddrPort]int // the host that has such an address
	renamed int                    // public addresses given since the beginning
	passed  int
	tap     func(from string, data []byte) // or nil
}

// New returns a running network of so many hosts, with a path of the given round
// trip time between any two. It ends with the test, after everything that the test
// registers for cleanup later. In a benchmark, time is real.
func New(tb testing.TB, hosts int, rtt time.Duration) *Network {
	tb.Helper()
	n := &Network{delay: rtt / 2, cut: make(map[int]bool), harm: make(map[int]harm), at: make(map[netip.AddrPort]int)}
	n.Seed(1)
	sim := &simnet.Simnet{Router: n}
	late := time.Duration(0)
	if _, real := tb.(*testing.B); real {
		late = time.Second
	}
	for i := range hosts {
		addr := &net.UDPAddr{IP: net.IPv4(10, 0, 0, byte(i+1)).To4(), Port: port} // the form in which addresses are resolved
		n.public = append(n.public, addr)
		n.at[addr.AddrPort()] = i
		n.hosts = append(n.hosts, &socket{sim.NewEndpoint(addr, simnet.NodeBiDiLinkSettings{LatencyFunc: underway}), late})
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

// Socket returns the socket of a host. It outlives those who use it. What arrives
// while nobody reads from it is lost, as on a closed port.
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

// Seed makes chance take another course.
func (n *Network) Seed(seed uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.random = rand.New(rand.NewPCG(seed, 2))
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
	n.cut[host] = cut
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
	n.harm[host] = harm{loss, delay}
}

// Rebind gives a host another public address, as a NAT does that has forgotten its
// flows: its packets come from there, and what is sent to the old one is lost. The
// host itself does not notice.
func (n *Network) Rebind(host int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.renamed++
	delete(n.at, n.public[host].AddrPort())
	n.public[host] = &net.UDPAddr{IP: n.public[host].IP, Port: port + n.renamed}
	n.at[n.public[host].AddrPort()] = host
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
	if !n.forward(&p) {
		return nil
	}
	return n.router.SendPacket(p)
}

// forward readdresses a packet, or reports that it is lost. Hosts send from the
// address they were made with.
func (n *Network) forward(p *simnet.Packet) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tap != nil {
		n.tap(p.From.String(), p.Data)
	}
	from := int(p.From.(*net.UDPAddr).IP[3]) - 1
	to, known := n.at[p.To.(*net.UDPAddr).AddrPort()]
	loss := n.loss + n.harm[from].loss + n.harm[to].loss
	if !known || n.cut[from] || n.cut[to] || loss > 0 && n.random.Float64() < loss {
		return false
	}
	n.passed++
	due := time.Now().Add(n.delay + n.harm[from].delay + n.harm[to].delay)
	if n.jitter > 0 {
		due = due.Add(time.Duration(n.random.Int64N(int64(n.jitter))))
	}
	p.From = &sender{n.public[from], due}
	p.To = n.hosts[to].LocalAddr()
	return true
}
