package tcp

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
)

// use lets a connection be used, so that the tickets that came with it are taken.
func use(t *testing.T, p *pool) {
	t.Helper()
	l := acquire(t, p)
	if err := exchange(l.Conn()); err != nil {
		t.Error(err)
	}
	l.Release()
}

// lateTickets starts a server whose tickets follow the handshake, as most servers' do.
// One of crypto/tls sends them earlier, unless it asks for a certificate. When it begins to
// serve a connection they have been sent: then a token comes on sent.
func lateTickets(t *testing.T, serve func(net.Conn)) (s *upstream, cfg DialConfig, sent <-chan struct{}) {
	t.Helper()
	conf, client := certificate(t)
	conf.ClientAuth = tls.RequestClientCert
	tokens := make(chan struct{}, 100)
	s = startUpstream(t, conf, func(c net.Conn) {
		tokens <- struct{}{}
		serve(c)
	})
	return s, DialConfig{Addr: s.addr, TLS: client}, tokens
}

func TestNewConnectionsResumeTheSessionsOfEarlierOnes(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			conf, client := certificate(t)
			conf.MaxVersion = version
			s := startUpstream(t, conf, echo)
			p := poolOf(t, 4, DialConfig{Addr: s.addr, TLS: client})
			use(t, p)
			before, _ := s.counts()
			p.Flush()
			ready(t, p, 4)
			s.has(before + 4)
			eventually(t, "sessions are not resumed", func() bool {
				_, resumed := s.counts()
				return resumed >= 4
			})
		})
	}
}

// TLS 1.3 sends tickets after the handshake. They come before what anybody reads, but a
// client that only writes would never see them.
func TestTicketsAreTakenFromAConnectionThatNobodyReads(t *testing.T) {
	s, cfg, sent := lateTickets(t, silent)
	p := poolOf(t, 1, cfg)
	l := acquire(t, p)
	<-sent
	if _, err := l.Conn().Write([]byte("log line")); err != nil {
		t.Fatal(err)
	}
	l.Release()
	again, ok := p.TryAcquireID(l.ID())
	if !ok {
		t.Fatal("a ticket was taken for bytes that nobody had asked for")
	}
	again.Discard()
	p.Flush()
	ready(t, p, 1)
	eventually(t, "no session was resumed", func() bool {
		_, resumed := s.counts()
		return resumed > 0
	})
}

func TestTicketsOfTheUsersCacheAreLeftAlone(t *testing.T) {
	_, cfg := serverThat(t, true, echo)
	cache := tls.NewLRUClientSessionCache(1)
	cfg.TLS.ClientSessionCache = cache
	p := poolOf(t, 1, cfg)
	use(t, p)
	if _, ok := cache.Get("localhost"); !ok {
		t.Error("the user's cache got no ticket")
	}
}

func TestATicketIsUsedOnceUnlessItIsTheLast(t *testing.T) {
	s := newSessions()
	first, second := new(tls.ClientSessionState), new(tls.ClientSessionState)
	a, b := s.of("a:1"), s.of("b:1")
	if _, ok := a.Get("host"); ok {
		t.Error("a cache that is empty has a ticket")
	}
	a.Put("host", first)
	a.Put("host", second)
	if _, ok := b.Get("host"); ok {
		t.Error("a server was given the ticket of another")
	}
	if got, _ := a.Get("host"); got != second {
		t.Error("the first use is not of the latest ticket")
	}
	for range 2 {
		if got, _ := a.Get("host"); got != first {
			t.Error("the last ticket is gone")
		}
	}
	a.Put("host", nil)
	if _, ok := a.Get("host"); ok {
		t.Error("a ticket that was refused is still there")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	s := newSessions()
	for range 10 * ticketsKept {
		s.of("a:1").Put("host", new(tls.ClientSessionState))
	}
	if n := len(s.tickets["host a:1"]); n != ticketsKept {
		t.Errorf("%d tickets of one server are kept, want %d", n, ticketsKept)
	}
	for i := range 10 * serversKept {
		s.of(string(rune('a'+i))).Put("host", new(tls.ClientSessionState))
	}
	if n := len(s.tickets); n > serversKept {
		t.Errorf("tickets of %d servers are kept, want %d at most", n, serversKept)
	}
}

// A connection whose tickets wait to be read is as good as any: it is quiet as far as
// the application is concerned.
func TestTicketsThatWaitAreNoReasonNotToLend(t *testing.T) {
	_, cfg, sent := lateTickets(t, echo)
	p := poolOf(t, 1, cfg)
	<-sent
	for range 10 {
		l, err := p.Acquire(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	if n := p.Stats().Created; n > 2 {
		t.Errorf("%d connections were made, want 2 at most", n)
	}
}
