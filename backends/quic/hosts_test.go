package quic

import (
	"net/netip"
	"testing"
	"time"
)

// A host with two addresses, of which the second leads nowhere: as localhost, where one
// listens on 0.0.0.0.
func twoFaced() []target {
	return []target{{host: "localhost", addrs: []netip.AddrPort{
		netip.MustParseAddrPort("10.0.0.1:4433"), netip.MustParseAddrPort("10.0.0.3:4433"),
	}}}
}

func TestAnAddressThatWorkedIsTriedAgainBeforeOneThatNeverHas(t *testing.T) {
	a, now, targets := newAddresses(), time.Now(), twoFaced()
	good, dead := targets[0].addrs[0], targets[0].addrs[1]
	expect := func(when string, want netip.AddrPort) {
		t.Helper()
		if c := a.choose(targets, now); c.addr != want {
			t.Errorf("%s: %v was chosen, want %v", when, c.addr, want)
		}
	}
	expect("in the beginning", good)
	a.worked(good)
	a.failed(good, now) // the connection was lost
	expect("after a connection to it was lost", good)
	a.unreachable(good)
	expect("when it does not answer any more", dead)
	a.unreachable(dead)
	a.failed(dead, now)
	expect("when the other has not answered either", good)
}

func TestARejectedCertificateIsPermanentWhateverElseItsHostMeans(t *testing.T) {
	a, now, targets := newAddresses(), time.Now(), twoFaced()
	if a.another(targets[0].addrs[0], targets, now) {
		t.Error("another address of the same host counts as another server")
	}
	if !a.another(targets[0].addrs[0], append(targets, serverWith(7, 1)), now) {
		t.Error("another server does not count as one")
	}
}
