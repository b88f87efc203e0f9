package access

import (
	"net"
	"net/netip"
)

// PeerOf returns what the limits of a server mean by a peer: an IP address, of IPv6 the
// network. It is not valid for addresses of another kind.
func PeerOf(addr net.Addr) netip.Addr {
	ip := IPOf(addr)
	if !ip.IsValid() || ip.Is4() {
		return ip
	}
	const network = 64
	return netip.PrefixFrom(ip, network).Masked().Addr()
}

// IPOf returns the IP address of a peer, an IPv4 address always in its own form. It
// is not valid where there is none.
func IPOf(addr net.Addr) netip.Addr {
	var bytes net.IP
	switch a := addr.(type) {
	case *net.TCPAddr:
		bytes = a.IP
	case *net.UDPAddr:
		bytes = a.IP
	}
	ip, _ := netip.AddrFromSlice(bytes)
	return ip.Unmap()
}
