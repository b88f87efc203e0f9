// Package access says who may connect to a server, whom a server takes for one peer, and
// what its limits mean. Addresses of TCP and of UDP are the same to it.
package access

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// AllowList is the addresses that may connect. An empty one allows all.
type AllowList []netip.Prefix

// ParseAllowList reads a comma-separated list of addresses and prefixes.
func ParseAllowList(s string) (AllowList, error) {
	var list AllowList
	for entry := range strings.SplitSeq(s, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		p, err := parsePrefix(entry)
		if err != nil {
			return nil, fmt.Errorf("the allowed client %q is neither an IP address nor a prefix such as 10.0.0.0/8", entry)
		}
		list = append(list, p)
	}
	if len(list) == 0 && s != "" {
		return nil, fmt.Errorf("the allowed clients %q name nobody: leave them empty to allow everybody", s)
	}
	return list, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return p, err
		}
		return unmapPrefix(p), nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	ip = ip.Unmap().WithZone("")
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// unmapPrefix makes an IPv4 prefix of one that was written in the IPv6 form.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	const mapped = 96 // bits in front of the IPv4 address
	if p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked()
}

// Allows reports whether a peer with that address may connect. One without an IP
// address may only where all may.
func (l AllowList) Allows(addr net.Addr) bool {
	if len(l) == 0 {
		return true
	}
	ip := IPOf(addr)
	for _, p := range l {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
