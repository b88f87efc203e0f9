package quic

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// server returns the i-th server, with so many addresses.
func serverWith(i, addrs int) target {
	t := target{host: fmt.Sprint("server", i)}
	for j := range addrs {
		t.addrs = append(t.addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}), 4433))
	}
	return t
}

func TestConnectionsAreSpreadEvenlyOverServers(t *testing.T) {
	a, now := newAddresses(), time.Now()
	targets := []target{serverWith(0, 1), serverWith(1, 1), serverWith(2, 1)}
	count := make(map[string]int)
	for range 30 {
		count[a.choose(targets, now).host]++
	}
	for _, target := range targets {
		if n := count[target.host]; n != 10 {
			t.Errorf("%s has %d connections, want 10", target.host, n)
		}
	}
	for range 5 {
		a.left(targets[1].addrs[0])
	}
	for range 5 {
		if c := a.choose(targets, now); c.host != "server1" {
			t.Errorf("%v was chosen, though server1 has fewer", c)
		}
	}
}

func TestTheFurtherAddressesOfAServerAreForWhenTheFirstFails(t *testing.T) {
	a, now := newAddresses(), time.Now()
	targets := []target{serverWith(0, 3)}
	for range 5 {
		if c := a.choose(targets, now); c.addr != targets[0].addrs[0] {
			t.Errorf("%v was chosen", c)
		}
	}
	a.failed(targets[0].addrs[0], now)
	if c := a.choose(targets, now); c.addr != targets[0].addrs[1] {
		t.Errorf("%v was chosen after the first failed", c)
	}
	if c := a.choose(targets, now.Add(ejectionFirst)); c.addr != targets[0].addrs[0] {
		t.Errorf("%v was chosen after the ejection", c)
	}
}

func TestAnAddressIsEjectedForLongerEachTime(t *testing.T) {
	a, now := newAddresses(), time.Now()
	addr := serverWith(0, 1).addrs[0]
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		got, ok := a.failed(addr, now)
		if !ok || got != want*time.Second {
			t.Fatalf("ejection %d takes %v, want %d s", i, got, want)
		}
		if _, ok := a.failed(addr, now.Add(got-1)); ok {
			t.Fatal("it was ejected once more while it was")
		}
		now = now.Add(got)
	}
	a.worked(addr)
	if got, _ := a.failed(addr, now); got != time.Second {
		t.Errorf("after it had worked, it was ejected for %v", got)
	}
}

func TestWhenAllAreEjectedTheFirstToReturnIsTried(t *testing.T) {
	a, now := newAddresses(), time.Now()
	targets := []target{serverWith(0, 2), serverWith(1, 1)}
	a.failed(targets[0].addrs[0], now.Add(300))
	a.failed(targets[0].addrs[1], now.Add(100))
	a.failed(targets[1].addrs[0], now.Add(200))
	if a.another(netip.AddrPort{}, targets, now.Add(300)) {
		t.Error("there is another")
	}
	if c := a.choose(targets, now.Add(300)); c.addr != targets[0].addrs[1] {
		t.Errorf("%v was chosen", c)
	}
}

func TestUnevenServersAreNoticedOnceTheyCanBeEvenedOut(t *testing.T) {
	a, now := newAddresses(), time.Now()
	targets := []target{serverWith(0, 2), serverWith(1, 1)}
	if _, ok := a.uneven(targets, now); ok {
		t.Error("uneven without a connection")
	}
	a.failed(targets[1].addrs[0], now)
	a.choose(targets, now)
	a.choose(targets, now)
	if addr, ok := a.uneven(targets, now); ok {
		t.Errorf("%v has too many, though there is nowhere to go", addr)
	}
	if addr, ok := a.uneven(targets, now.Add(ejectionFirst)); !ok || addr != targets[0].addrs[0] {
		t.Errorf("%v, %v", addr, ok)
	}
	a.choose(targets, now.Add(ejectionFirst))
	if addr, ok := a.uneven(targets, now.Add(ejectionFirst)); ok {
		t.Errorf("2 : 1 is as even as it gets, not %v", addr)
	}
}

func TestAddressesThatAreNotUsedAreForgotten(t *testing.T) {
	a, now := newAddresses(), time.Now()
	for i := range 200 {
		a.failed(serverWith(i, 1).addrs[0], now)
		a.choose([]target{serverWith(i, 1)}, now)
		a.left(serverWith(i, 1).addrs[0])
		now = now.Add(time.Second)
	}
	if n := len(a.known); n > 70 {
		t.Errorf("%d addresses are remembered", n)
	}
}
