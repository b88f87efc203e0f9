package access

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A list that is accepted says about every address what its entries say, each by
// itself, and the same of both forms of an IPv4 address.
func FuzzParseAllowList(f *testing.F) {
	for _, s := range []string{
		"", ",", " ", "10.0.0.1", "10.0.0.1, 10.0.0.2", "10.1.2.3/8", "::1", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104",
		"::ffff:0:0/95", "0.0.0.0/0", "::/0", "fe80::1%eth0", "fe80::1%eth0/64", "::%/", "fe80::/10", "10.0.0.0/33", "localhost", "10.0.0.1:80", "1.2.3.4,x",
	} {
		for _, ip := range []string{"\x0a\x00\x00\x01", "\x0a\xff\xff\xff", string(net.IPv6loopback), ""} {
			f.Add(s, []byte(ip))
		}
	}
	f.Fuzz(func(t *testing.T, s string, ip []byte) {
		list, err := ParseAllowList(s)
		bad, entries := false, 0
		allowed := false
		addr, valid := netip.AddrFromSlice(ip)
		for entry := range strings.SplitSeq(s, ",") {
			entry = strings.TrimSpace(entry)
			if entry == "" {
				continue
			}
			entries++
			single, failed := netip.ParseAddr(entry)
			prefix, failedToo := netip.ParsePrefix(entry)
			switch {
			case failed == nil && !strings.Contains(entry, "/"): // netip would take a slash for a part of the zone
				allowed = allowed || valid && single.WithZone("").Unmap() == addr.Unmap()
			case failedToo == nil:
				allowed = allowed || valid && containsEitherForm(prefix, addr)
			default:
				bad = true
			}
		}
		bad = bad || entries == 0 && s != "" // a list that names nobody
		if bad != (err != nil) || len(list) != entries && !bad {
			t.Fatalf("%q: %v, %v", s, list, err)
		}
		if bad {
			return
		}
		if entries == 0 {
			allowed = true
		}
		for _, a := range both(ip) {
			if got := list.Allows(a); got != allowed {
				t.Errorf("%q allows %v: %v", s, a, got)
			}
		}
		if !addr.Is4() {
			return
		}
		for _, a := range both(net.IP(ip).To16()) {
			if got := list.Allows(a); got != allowed {
				t.Errorf("%q allows %v in its IPv6 form: %v", s, a, got)
			}
		}
	})
}

// containsEitherForm reports whether an address is in a prefix, as which an IPv4
// address and its IPv6 form are the same, and IPv6 prefixes that are wider than all
// such forms are about IPv6 alone.
func containsEitherForm(p netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.Is4() || p.Addr().Is4() {
		return p.Contains(addr)
	}
	if p.Bits() < 96 {
		return false
	}
	network, form := p.Addr().As16(), addr.As16()
	for i := range p.Bits() {
		if bit := byte(0x80 >> (i % 8)); network[i/8]&bit != form[i/8]&bit {
			return false
		}
	}
	return true
}
