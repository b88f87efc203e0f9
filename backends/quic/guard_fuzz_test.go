package quic

import (
	"net/netip"
	"testing"

	"github.com/vistone/poolkit/backends/internal/access"
)

// guardModel is what a guard is told, counted anew after every step.
type guardModel struct {
	*testing.T
	guard   *guard
	callers []*caller
}

// caller is a connection to the guard, from its greeting on.
type caller struct {
	*guest
	from           int
	open, complete int // streams
	gone           bool
}

// Whatever the order in which connections prove their address, open and end streams
// and leave, the accounts say what each peer has, those of peers that have nothing are
// idle, and nobody has more than the limits.
func FuzzGuard(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte{0, 0, 0, 0, 1, 9, 17, 2, 10, 18, 2, 2, 5, 6, 13, 4})
	f.Add([]byte{0, 2, 2, 3, 1, 5, 4, 4, 0, 8, 16, 1, 9, 17, 5, 13, 0, 1, 2})
	f.Add([]byte{0, 7, 1, 2, 0, 1, 9, 7, 10})
	f.Add([]byte{0, 1, 2, 0, 10, 10, 10, 10, 9})
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := &guardModel{T: t, guard: newGuard(nil, Limits{Connections: 2, Streams: 3, Handshakes: -1}, nil)}
		for i, step := range steps {
			m.step(step, i)
			m.check()
		}
		for _, c := range m.callers {
			m.leave(c)
			for c.open > 0 {
				m.end(c)
			}
		}
		m.check()
		if n := len(m.guard.accounts); n != m.guard.idlers {
			m.Errorf("%d accounts, %d idle, and nobody has anything", n, m.guard.idlers)
		}
	})
}

// step does one thing for one of the callers.
func (m *guardModel) step(step byte, i int) {
	if step%8 == 0 || len(m.callers) == 0 {
		m.callers = append(m.callers, &caller{guest: &guest{guard: m.guard, peer: access.PeerOf(nth(i % 3))}, from: i % 3})
		return
	}
	c := m.callers[int(step/8)%len(m.callers)]
	switch step % 8 {
	case 1:
		conns, _ := m.has(c.from)
		had := c.counted || c.gone
		if err := c.prove(); (err == nil) != (had || conns < 2) {
			m.Fatalf("a peer with %d connections: %v", conns, err)
		}
	case 2, 3:
		_, streams := m.has(c.from)
		if !c.counted {
			streams += c.open
		}
		if got, want := c.begin(), !c.gone && streams < 3; got != want {
			m.Fatalf("a peer with %d streams opens one: %v", streams, got)
		} else if got {
			c.open++
		}
	case 4:
		if c.complete < c.open {
			c.settle()
			c.complete++
		}
	case 5, 6:
		m.end(c)
	case 7:
		m.leave(c)
	}
}

func (m *guardModel) end(c *caller) {
	if c.open == 0 {
		return
	}
	settled := c.complete > 0
	if settled {
		c.complete--
	}
	c.open--
	c.end(settled)
}

func (m *guardModel) leave(c *caller) {
	if !c.gone {
		c.gone = true
		c.leave()
	}
}

// has returns what a peer has on its account.
func (m *guardModel) has(from int) (conns, streams int) {
	for _, c := range m.callers {
		if c.from != from || !c.counted {
			continue
		}
		streams += c.open
		if !c.gone {
			conns++
		}
	}
	return conns, streams
}

func (m *guardModel) check() {
	g := m.guard
	all := 0
	for from := range 3 {
		conns, streams := m.has(from)
		all += conns
		a := g.accounts[access.PeerOf(nth(from))]
		switch {
		case a == nil && conns+streams > 0:
			m.Fatalf("peer %d has %d connections, %d streams and no account", from, conns, streams)
		case a != nil && (a.conns != conns || a.streams != streams):
			m.Fatalf("peer %d has %d connections and %d streams, its account says %+v", from, conns, streams, a)
		case a != nil && (a.place.next != nil) != (conns+streams == 0):
			m.Fatalf("peer %d has %d connections and %d streams: idle is %v", from, conns, streams, a.place.next != nil)
		}
	}
	if g.proven != all {
		m.Fatalf("%d connections, not %d", g.proven, all)
	}
	for _, c := range m.callers {
		if c.streams != c.open || c.settled != c.complete {
			m.Fatalf("%d streams, %d settled: %+v", c.open, c.complete, c.guest)
		}
	}
	n := 0
	seen := make(map[netip.Addr]bool)
	for p := g.idle.front(); p != nil && p != &g.idle.root; p = p.next {
		n++
		if seen[p.value.peer] || g.accounts[p.value.peer] != p.value {
			m.Fatalf("the account of %v is twice there", p.value.peer)
		}
		seen[p.value.peer] = true
	}
	if n != g.idlers {
		m.Fatalf("%d idle accounts, not %d", n, g.idlers)
	}
}
