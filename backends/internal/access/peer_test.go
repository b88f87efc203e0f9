package access

import (
	"net"
	"net/netip"
	"testing"
)

func TestAPeerIsAnIPAddressAndInIPv6ANetwork(t *testing.T) {
	for _, same := range [][2]string{
		{"10.0.0.1", "::ffff:10.0.0.1"},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"},
		{"fe80::1", "fe80::2"},
	} {
		a := PeerOf(&net.UDPAddr{IP: net.ParseIP(same[0])})
		b := PeerOf(&net.TCPAddr{IP: net.ParseIP(same[1]), Port: 1, Zone: "eth0"})
		if a != b || !a.IsValid() {
			t.Errorf("%v is %v and %v is %v", same[0], a, same[1], b)
		}
	}
	for _, different := range [][2]string{
		{"10.0.0.1", "10.0.0.2"},
		{"10.0.0.1", "::10.0.0.1"},
		{"2001:db8::1", "2001:db8:0:1::1"},
		{"0.0.0.0", "::"},
	} {
		a := PeerOf(&net.TCPAddr{IP: net.ParseIP(different[0])})
		b := PeerOf(&net.UDPAddr{IP: net.ParseIP(different[1])})
		if a == b {
			t.Errorf("%v and %v are %v", different[0], different[1], a)
		}
	}
	for _, none := range []net.Addr{nil, &net.UnixAddr{Name: "x"}, &net.UDPAddr{}, &net.TCPAddr{}, &net.UDPAddr{IP: net.IP{1, 2, 3}}} {
		if peer := PeerOf(none); peer.IsValid() {
			t.Errorf("%v is %v", none, peer)
		}
	}
}

// The forms of an address are one peer, whatever its port and zone; and a peer says of
// itself who it is.
func FuzzPeerOf(f *testing.F) {
	for _, ip := range []string{"", "\x0a\x00\x00\x01", string(net.IPv6loopback), string(net.ParseIP("2001:db8::1")), "abc"} {
		f.Add([]byte(ip), 4433, "eth0")
	}
	f.Fuzz(func(t *testing.T, ip []byte, port int, zone string) {
		peer := PeerOf(&net.UDPAddr{IP: ip, Port: port, Zone: zone})
		addr, valid := netip.AddrFromSlice(ip)
		if peer.IsValid() != valid {
			t.Fatalf("%x is %v", ip, peer)
		}
		if !valid {
			return
		}
		if again := PeerOf(&net.UDPAddr{IP: peer.AsSlice()}); again != peer || peer.Zone() != "" || peer.Is4In6() {
			t.Errorf("%x is %v, and that is %v", ip, peer, again)
		}
		if long := PeerOf(&net.UDPAddr{IP: net.IP(ip).To16()}); long != peer {
			t.Errorf("%x is %v, and in 16 bytes %v", ip, peer, long)
		}
		bits := 64
		if addr.Unmap().Is4() {
			bits = 32
		}
		if !netip.PrefixFrom(peer, bits).Contains(addr.Unmap().WithZone("")) {
			t.Errorf("%x is %v", ip, peer)
		}
	})
}
