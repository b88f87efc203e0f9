package quic

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/access"
)

// visit is what quic-go does for a client that wants to connect. It returns the guest,
// and what ends the connection.
func visit(g *guard, addr net.Addr, verified bool) (*guest, context.CancelFunc, error) {
	ctx, end := context.WithCancel(context.Background())
	ctx, err := g.greet(ctx, &quicgo.ClientInfo{RemoteAddr: addr, AddrVerified: verified})
	if err != nil {
		end()
		return nil, nil, err
	}
	return ctx.Value(guestKey{}).(*guest), end, nil
}

// nth is one of 2³² addresses.
func nth(i int) *net.UDPAddr {
	return &net.UDPAddr{IP: binary.BigEndian.AppendUint32(nil, uint32(i)), Port: 4433}
}

// inBubble runs a test in virtual time, without a network.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// Packets with a forged sender take no memory, and from their victim nothing.
func TestAnAddressWithoutProofHasNoAccount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGuard(nil, Limits{Connections: 1}, nil)
		begun := 0
		for i := range 100_000 {
			addr := nth(i % 1000)
			if g.demandsProof(addr) {
				continue
			}
			begun++
			if _, end, err := visit(g, addr, false); err != nil {
				t.Fatal(err)
			} else {
				defer end()
			}
		}
		if begun != 2*defaultLimits.RetryAbove {
			t.Errorf("%d handshakes without proof at once", begun)
		}
		if len(g.accounts) != 0 || g.proven != 0 {
			t.Errorf("%d accounts, %d connections", len(g.accounts), g.proven)
		}
		victim, end, err := visit(g, nth(1), true)
		if err != nil || victim.account.conns != 1 {
			t.Errorf("the victim was refused: %v", err)
		}
		end()
	})
}

func TestHandshakesWithoutProofAreBegunAtTheDocumentedRate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGuard(nil, Limits{}, nil)
		begun := 0
		for i := range 10_000 { // in ten seconds
			if !g.demandsProof(nth(i)) {
				begun++
			}
			time.Sleep(time.Millisecond)
		}
		if want := 12 * defaultLimits.RetryAbove; begun < want-1 || begun > want {
			t.Errorf("%d of 10,000 in ten seconds, want %d", begun, want)
		}
	})
}

func TestWithoutALimitNobodyIsAskedForProof(t *testing.T) {
	g := newGuard(nil, Limits{-1, -1, -1, -1}, nil)
	for i := range 10_000 {
		if g.demandsProof(nth(i)) {
			t.Fatalf("the %dth was", i)
		}
		if _, _, err := visit(g, nth(1), true); i < maxPeers/2 && err != nil {
			t.Fatalf("the %dth connection: %v", i, err)
		}
	}
}

func TestAStrangerIsNotAskedForProof(t *testing.T) {
	allow := allowing(t, "192.0.2.0/24")
	g := newGuard(allow, Limits{RetryAbove: 1}, nil)
	for range 10 {
		if g.demandsProof(udp("10.0.0.1")) {
			t.Error("a stranger was asked for proof instead of being refused")
		}
		if _, _, err := visit(g, udp("10.0.0.1"), true); !errors.Is(err, errNotAllowed) {
			t.Errorf("%v", err)
		}
	}
	if g.demandsProof(udp("192.0.2.1")) {
		t.Error("strangers have used up the rate of the others")
	}
}

func TestAPeerOverItsLimitsIsAskedForProofAndRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			limits Limits
			want   error
		}{
			"connections": {Limits{Connections: 3, Handshakes: -1}, errManyConns},
			"handshakes":  {Limits{Connections: 3, Handshakes: 1}, errHandshakeRate},
		} {
			g := newGuard(nil, c.limits, nil)
			var ends []context.CancelFunc
			for range 3 {
				if g.demandsProof(nth(1)) {
					t.Errorf("%s: asked for proof too soon", name)
				}
				_, end, err := visit(g, nth(1), true)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				ends = append(ends, end)
			}
			if errors.Is(c.want, errHandshakeRate) {
				for _, end := range ends {
					end()
				}
				synctest.Wait()
			}
			if !g.demandsProof(nth(1)) || g.demandsProof(nth(2)) {
				t.Errorf("%s: the wrong one is asked for proof", name)
			}
			if _, _, err := visit(g, nth(1), true); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
			if _, _, err := visit(g, nth(2), true); err != nil {
				t.Errorf("%s: another peer: %v", name, err)
			}
			ends[0]()
			time.Sleep(time.Second)
			if _, _, err := visit(g, nth(1), true); err != nil {
				t.Errorf("%s: after one has ended: %v", name, err)
			}
		}
	})
}

func TestAPeerOfAnotherKindHasNoLimits(t *testing.T) {
	g := newGuard(nil, Limits{1, 1, 1, -1}, nil)
	for range 100 {
		addr := &net.UnixAddr{Name: "x"}
		v, end, err := visit(g, addr, true)
		if err != nil || g.demandsProof(addr) || !v.begin() || !v.begin() {
			t.Fatal(err)
		}
		defer end()
	}
}

// Four peers that take all they get leave some for others; and one that wants no more
// than a pool does is served until nothing is left.
func TestGreedyPeersLeaveSomeForOthers(t *testing.T) {
	g := newGuard(nil, Limits{Handshakes: -1}, nil)
	most := func(i, want int) {
		t.Helper()
		n := 0
		for n < want {
			if _, _, err := visit(g, nth(i), true); err != nil {
				break
			}
			n++
		}
		if n != want {
			t.Errorf("peer %d got %d, want %d", i, n, want)
		}
	}
	for i, want := range []int{1024, 1024, 1024, 512, 256, 128, 64, 64} {
		most(i, want)
		if _, _, err := visit(g, nth(i), true); err == nil {
			t.Errorf("peer %d got more than %d", i, want)
		}
	}
	if g.proven != maxPeers {
		t.Errorf("%d connections", g.proven)
	}
	if _, _, err := visit(g, nth(99), true); !errors.Is(err, errServerFull) {
		t.Errorf("%v", err)
	}
}

func TestAFullServerServes64PoolsOf64Connections(t *testing.T) {
	g := newGuard(nil, Limits{}, nil)
	for range maxShards {
		for i := range maxPeers / maxShards {
			if _, _, err := visit(g, nth(i), true); err != nil {
				t.Fatalf("peer %d: %v, with %d connections in all", i, err, g.proven)
			}
		}
	}
}

func TestAFloodOfAddressesIsBoundedInMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGuard(nil, Limits{}, nil)
		steady, end, err := visit(g, nth(-1), true)
		if err != nil || !steady.begin() {
			t.Fatal(err)
		}
		for i := range 10 * maxIdleAccounts { // all in one moment
			_, end, err := visit(g, nth(i), true)
			if err != nil {
				t.Fatal(err)
			}
			end()
			synctest.Wait()
		}
		if n := len(g.accounts); n != maxIdleAccounts+1 || g.idlers != maxIdleAccounts {
			t.Errorf("%d accounts, %d of them of peers that have nothing", n, g.idlers)
		}
		if g.accounts[access.PeerOf(nth(-1))] != steady.account || steady.account.conns != 1 || steady.account.streams != 1 {
			t.Errorf("a peer with a connection was forgotten: %+v", steady.account)
		}
		time.Sleep(time.Second)
		if _, _, err := visit(g, nth(-2), true); err != nil {
			t.Fatal(err)
		}
		if n := len(g.accounts); n != 2 {
			t.Errorf("%d accounts a second later", n)
		}
		end()
		steady.end(false)
	})
}

func TestAForgottenPeerBeginsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGuard(nil, Limits{Connections: 1}, nil)
		v, end, err := visit(g, nth(1), true)
		if err != nil {
			t.Fatal(err)
		}
		end()
		synctest.Wait()
		time.Sleep(time.Hour)
		if _, _, err := visit(g, nth(2), true); err != nil || g.accounts[v.account.peer] != nil {
			t.Fatalf("%v, %v", err, g.accounts)
		}
		if v.begin() {
			t.Error("a stream was counted that came after its connection had ended")
		}
		again, _, err := visit(g, nth(1), true)
		if err != nil || again.account == v.account {
			t.Errorf("%v, %+v", err, again)
		}
	})
}
