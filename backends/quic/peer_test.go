package quic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
)

// dialFrom starts a client pool of n streams on a host.
func (w *world) dialFrom(host, n int) *poolkit.Pool[*StreamConn] {
	w.Helper()
	return w.dial(DialConfig{PacketConn: w.Socket(host), MinCapacity: n, MaxCapacity: n})
}

// rest lets time pass, and everything that it sets off.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// meets takes a stream of a certain peer at a server, and checks that it leads to the
// given client. It returns both ends.
func meets(t *testing.T, server *poolkit.Pool[*StreamConn], peer string, client *poolkit.Pool[*StreamConn]) (there, here *StreamConn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begun := time.Now()
	l, err := server.AcquireFrom(ctx, peer)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took != 0 || l.Peer() != peer || l.Conn().Peer() != peer {
		t.Errorf("got a stream of %q after %v, want one of %q that stood ready", l.Conn().Peer(), took, peer)
	}
	other, err := client.AcquireID(ctx, l.ID())
	if err != nil {
		t.Fatalf("the stream leads to somebody else: %v", err)
	}
	usable(t, l.Conn(), other.Conn())
	return l.Conn(), other.Conn()
}

func TestAServerAcquiresFromTheClientItWants(t *testing.T) {
	inCrowd(t, 3, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{})
		sizes := []int{1, 8, 130} // the last on two connections
		var clients []*poolkit.Pool[*StreamConn]
		var want []poolkit.PeerStats
		for i, n := range sizes {
			clients = append(clients, w.dialFrom(clientHost+i, n))
			want = append(want, poolkit.PeerStats{Peer: w.Addr(clientHost + i), Idle: n})
		}
		rest(time.Second)
		if diff := cmp.Diff(want, server.Peers()); diff != "" {
			t.Fatalf("the server's peers: %s", diff)
		}
		for range 3 {
			for i, client := range clients {
				there, here := meets(t, server, w.Addr(clientHost+i), client)
				if here.Peer() != w.Addr(serverHost) {
					t.Errorf("the client's peer is %q, want %q", here.Peer(), w.Addr(serverHost))
				}
				there.Close()
				here.Close()
				rest(time.Second)
			}
		}
		if diff := cmp.Diff(want, server.Peers()); diff != "" {
			t.Errorf("the server's peers in the end: %s", diff)
		}
	})
}

func TestAServerWaitsForAClientThatComesLater(t *testing.T) {
	inCrowd(t, 2, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{})
		w.dialFrom(clientHost, 8)
		late := w.Addr(clientHost + 1)
		begun := time.Now()
		type result struct {
			lease poolkit.Lease[*StreamConn]
			err   error
			after time.Duration
		}
		results := make(chan result, 1)
		go func() {
			l, err := server.AcquireFrom(t.Context(), late)
			results <- result{l, err, time.Since(begun)}
		}()
		rest(time.Hour)
		if diff := cmp.Diff([]poolkit.PeerStats{{Peer: w.Addr(clientHost), Idle: 8}, {Peer: late, Waiting: 1}}, server.Peers()); diff != "" {
			t.Errorf("the server's peers: %s", diff)
		}
		client := w.dialFrom(clientHost+1, 1)
		r := <-results
		// The first of the client's round trips is for the handshake; then half of one
		// brings the stream.
		if want := time.Hour + 3*rtt/2; r.err != nil || r.after != want {
			t.Fatalf("served after %v (%v), want after %v", r.after, r.err, want)
		}
		other, err := client.AcquireID(t.Context(), r.lease.ID())
		if err != nil {
			t.Fatal(err)
		}
		usable(t, r.lease.Conn(), other.Conn())
	})
}

// One client vanishes and another closes, while the server goes on with the third.
// Then the first is there again.
func TestTheDeathOfAClientConcernsNobodyElse(t *testing.T) {
	inCrowd(t, 3, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{})
		a, b, c := w.dialFrom(clientHost, 8), w.dialFrom(clientHost+1, 8), w.dialFrom(clientHost+2, 8)
		rest(time.Second)
		lost, _ := meets(t, server, w.Addr(clientHost), a)
		kept, mine := meets(t, server, w.Addr(clientHost+1), b)

		w.Cut(clientHost, true)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			there, here := meets(t, server, w.Addr(clientHost+1), b)
			there.Close()
			here.Close()
			rest(time.Second)
		}
		usable(t, kept, mine)
		if err := lost.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := lost.Read(make([]byte, 1)); err == nil || isDeadline(err) {
			t.Errorf("reading from a client that has vanished reports %v", err)
		}
		lost.Close()
		rest(time.Second)
		if diff := cmp.Diff([]poolkit.PeerStats{{Peer: w.Addr(clientHost + 1), Idle: 8, OnLoan: 1}}, server.Peers()); diff != "" {
			t.Errorf("the server's peers after the deaths: %s", diff)
		}
		if _, ok := server.TryAcquireFrom(w.Addr(clientHost)); ok {
			t.Error("got a stream of a client that has vanished")
		}

		w.Cut(clientHost, false)
		l, err := server.AcquireFrom(t.Context(), w.Addr(clientHost))
		if err != nil {
			t.Fatal(err)
		}
		other, err := a.AcquireID(t.Context(), l.ID())
		if err != nil {
			t.Fatal(err)
		}
		usable(t, l.Conn(), other.Conn())
	})
}

func isDeadline(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// certified is the TLS configuration of a client with a certificate of that name.
func (w *world) certified(name string) *tls.Config {
	w.Helper()
	conf := simtest.Trust(w.tls)
	conf.Certificates = simtest.Certificate(w.T, name).Certificates
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return conf
}

// commonName is the name in a client's certificate.
func commonName(info PeerInfo) string { return info.TLS.PeerCertificates[0].DNSNames[0] }

// The same client with two pools, or behind another address, is still the same.
func TestAServerMayNameItsClientsByTheirCertificates(t *testing.T) {
	inCrowd(t, 3, func(t *testing.T, w *world) {
		w.tls.ClientAuth = tls.RequireAnyClientCert
		var asked atomic.Int32
		server := w.listen(ListenConfig{
			EarlyData: true,
			Secret:    bytes.Repeat([]byte{7}, 32),
			Peer: func(info PeerInfo) string {
				asked.Add(1)
				if !info.TLS.HandshakeComplete || info.RemoteAddr == nil {
					t.Errorf("a peer is to be named by %+v", info)
				}
				return commonName(info)
			},
		})
		alice, bob := w.certified("alice"), w.certified("bob")
		dial := func(host, n int, conf *tls.Config) *poolkit.Pool[*StreamConn] {
			return w.dial(DialConfig{PacketConn: w.Socket(host), TLS: conf, EarlyData: true, MinCapacity: n, MaxCapacity: n})
		}
		first := dial(clientHost, 200, alice)
		dial(clientHost+1, 8, alice)
		other := dial(clientHost+2, 8, bob)
		rest(time.Second)
		if diff := cmp.Diff([]poolkit.PeerStats{{Peer: "alice", Idle: 208}, {Peer: "bob", Idle: 8}}, server.Peers()); diff != "" {
			t.Errorf("the server's peers: %s", diff)
		}
		if n := asked.Load(); n != 4 {
			t.Errorf("asked for %d names, want one for each of 4 connections", n)
		}
		meets(t, server, "bob", other)

		first.Close()
		rest(time.Second)
		again := dial(clientHost, 1, alice) // with early data
		if err := again.WaitReady(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if l, _ := again.TryAcquire(); !l.Conn().conn.ConnectionState().Used0RTT {
			t.Error("no early data: the test shows nothing")
		}
		rest(time.Second)
		if diff := cmp.Diff(
			[]poolkit.PeerStats{{Peer: "alice", Idle: 10}, {Peer: "bob", Idle: 8, OnLoan: 1}}, server.Peers(),
		); diff != "" {
			t.Errorf("the server's peers after one came back: %s", diff)
		}
	})
}

// A name that cannot be found keeps a client out, and nobody else.
func TestAClientWhoseNameCannotBeFoundIsKeptOut(t *testing.T) {
	inCrowd(t, 2, func(t *testing.T, w *world) {
		var panics, asked atomic.Int32
		server := w.listen(ListenConfig{
			Peer: func(info PeerInfo) string {
				if info.RemoteAddr.String() == w.Addr(clientHost) {
					asked.Add(1)
					return commonName(info) // without a certificate
				}
				return "known"
			},
			Hooks: poolkit.Hooks{Failed: func(_ int, err error) {
				var panicked *poolkit.PanicError
				if errors.As(err, &panicked) && panicked.Callback == "Peer" {
					panics.Add(1)
				}
			}},
		})
		kept := w.dialFrom(clientHost, 8)
		known := w.dialFrom(clientHost+1, 8)
		rest(time.Minute)
		if diff := cmp.Diff([]poolkit.PeerStats{{Peer: "known", Idle: 8}}, server.Peers()); diff != "" {
			t.Errorf("the server's peers: %s", diff)
		}
		meets(t, server, "known", known)
		if n := panics.Load(); n == 0 || n > 100 {
			t.Errorf("%d panics were reported in a minute, want a few: clients pause after failures", n)
		}
		if n, conns := asked.Load(), w.handshakes.Load()-1; int64(n) != conns {
			t.Errorf("asked for %d names, want one for each of %d connections", n, conns)
		}
		if s := kept.Stats(); s.Idle != 0 {
			t.Errorf("the client that was kept out has %d streams", s.Idle)
		}
	})
}

func TestAClientKeepsItsNameWhenItsAddressChanges(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		socket := w.nat()
		server := w.listen(ListenConfig{PacketConn: socket})
		client := w.dialFrom(clientHost, 8)
		rest(time.Second)
		before, after := w.Addr(clientHost), "192.0.2.1:4433"
		there, here := meets(t, server, before, client)

		socket.rebind("192.0.2.1")
		usable(t, here, there)
		rest(time.Second)
		if got := there.conn.RemoteAddr().String(); got != after {
			t.Errorf("quic-go knows %s: the test shows nothing", got)
		}
		meets(t, server, before, client)
		client.Resize(places, places) // new streams on the old connection, and one on a new
		rest(time.Second)
		if diff := cmp.Diff(
			[]poolkit.PeerStats{{Peer: before, Idle: places - 2, OnLoan: 2}, {Peer: after, Idle: 2}}, server.Peers(),
		); diff != "" {
			t.Errorf("the server's peers: %s", diff)
		}
		meets(t, server, before, client)
		meets(t, server, after, client)
		if there.Peer() != before {
			t.Errorf("its name is %q now, and was %q", there.Peer(), before)
		}
	})
}
