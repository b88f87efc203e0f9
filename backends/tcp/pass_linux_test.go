package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// twins starts two servers at one port of two addresses of this host, all of 127/8 being
// its own on Linux.
func twins(t *testing.T, conf *tls.Config, first, second func(net.Conn)) (a, b *upstream, port string) {
	t.Helper()
	for range 100 { // the port may be taken at the other address
		a = startUpstream(t, conf, first)
		_, port, _ = net.SplitHostPort(a.addr)
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
		if err != nil {
			continue
		}
		ln.Close()
		b = newUpstream(t, net.JoinHostPort("127.0.0.2", port), conf, second)
		return a, b, port
	}
	t.Fatal("no port is free at both addresses")
	return nil, nil, ""
}

func TestANameWithADeadAddressIsReachedAtTheOther(t *testing.T) {
	a, b, port := twins(t, nil, echo, echo)
	a.stop()
	p, d := namedPool(t, DialConfig{Addr: "db.test:" + port, MinCapacity: 8, MaxCapacity: 8}, nameServer(t, "127.0.0.1", "127.0.0.2"))
	ready(t, p, 8)
	if s := p.Stats(); s.Failed > 0 {
		t.Errorf("%d dials failed: %v", s.Failed, s.LastError)
	}
	b.has(8)
	d.addresses.mu.Lock()
	if d.addresses.failing[a.addr] == nil || d.addresses.failing[b.addr] != nil {
		t.Error("the address that is dead is not ejected, or the other is")
	}
	d.addresses.mu.Unlock()
	// When both are dead, both are tried.
	b.stop()
	eventually(t, "nothing was refused", func() bool { return errors.Is(p.Stats().LastError, syscall.ECONNREFUSED) })
	a.start()
	ready(t, p, 8)
}

// Ejection must not cost a dial when nothing else is left.
func TestAnEjectedAddressIsTriedWhenTheOthersFail(t *testing.T) {
	a, b, port := twins(t, nil, echo, echo)
	b.stop()
	cfg := DialConfig{Addr: "db.test:" + port}
	d, _, err := cfg.dialer()
	if err != nil {
		t.Fatal(err)
	}
	d.net.Resolver = nameServer(t, "127.0.0.1", "127.0.0.2")
	d.addresses.triedAddr(a.addr, failed, time.Now())
	p, err := poolkit.New(cfg.core(d))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ready(t, p, 1)
	if s := p.Stats(); s.Failed > 0 {
		t.Errorf("%d dials failed, want none: %v", s.Failed, s.LastError)
	}
}

// An address that takes connections and then fails is no better than one that does not.
func TestAnAddressWhoseHandshakeFailsGivesWayToTheNext(t *testing.T) {
	conf, client := certificate(t)
	a, b, port := twins(t, conf, echo, echo)
	a.stop()
	a.tls, a.serve = nil, func(conn net.Conn) { conn.Close() }
	a.start()
	p, _ := namedPool(t, DialConfig{Addr: "db.test:" + port, TLS: client, MinCapacity: 8, MaxCapacity: 8, MaxDialing: 1},
		nameServer(t, "127.0.0.1", "127.0.0.2"))
	ready(t, p, 8)
	if s := p.Stats(); s.Failed > 0 {
		t.Errorf("%d dials failed: %v", s.Failed, s.LastError)
	}
	b.has(8)
}

// Prepare counts, too: a database that is starting up, for example.
func TestAnAddressWherePrepareFailsGivesWayToTheNext(t *testing.T) {
	a, b, port := twins(t, nil, echo, echo)
	p, _ := namedPool(t, DialConfig{
		Addr: "db.test:" + port, MinCapacity: 4, MaxCapacity: 4,
		Prepare: func(_ context.Context, c *Conn) error {
			if c.RemoteAddr().String() == a.addr {
				return net.ErrClosed
			}
			return nil
		},
	}, nameServer(t, "127.0.0.1", "127.0.0.2"))
	ready(t, p, 4)
	if s := p.Stats(); s.Failed > 0 {
		t.Errorf("%d dials failed: %v", s.Failed, s.LastError)
	}
	b.has(4)
}
