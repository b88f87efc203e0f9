package access

import (
	"net"
	"strings"
	"testing"
)

// both returns an address as UDP and TCP have it.
func both(ip net.IP) []net.Addr {
	return []net.Addr{&net.UDPAddr{IP: ip, Port: 4433}, &net.TCPAddr{IP: ip, Port: 4433}}
}

func TestAnAllowListAllowsWhomItNames(t *testing.T) {
	for _, c := range []struct {
		list            string
		allows, refuses string // addresses, with spaces between
	}{
		{"", "10.0.0.1 ::1 0.0.0.0 2001:db8::1", ""},
		{"10.0.0.1", "10.0.0.1 ::ffff:10.0.0.1", "10.0.0.2 ::1 ::10.0.0.1 64:ff9b::10.0.0.1"},
		{"::ffff:10.0.0.1", "10.0.0.1 ::ffff:10.0.0.1", "10.0.0.2 ::10.0.0.1"},
		{"10.0.0.1,10.0.0.3", "10.0.0.1 10.0.0.3", "10.0.0.2"},
		{" 10.0.0.1 ,\t10.0.0.3 , ", "10.0.0.1 10.0.0.3", "10.0.0.2 ::1"},
		{"10.0.0.1,,10.0.0.3,", "10.0.0.1 10.0.0.3", "10.0.0.2"},
		{"10.0.0.0/8", "10.0.0.0 10.255.255.255 ::ffff:10.1.2.3", "9.255.255.255 11.0.0.0 ::a00:0"},
		{"10.1.2.3/8", "10.0.0.1 10.200.0.1", "11.1.2.3"}, // host bits say nothing
		{"10.0.0.1/32", "10.0.0.1", "10.0.0.0 10.0.0.2"},
		{"10.0.0.6/31", "10.0.0.6 10.0.0.7", "10.0.0.5 10.0.0.8"},
		{"::ffff:10.0.0.0/104", "10.0.0.1 10.255.0.1 ::ffff:10.0.0.1", "11.0.0.1 ::1"},
		{"::ffff:10.1.2.3/128", "10.1.2.3", "10.1.2.4"},
		{"0.0.0.0/0", "10.0.0.1 255.255.255.255 ::ffff:10.0.0.1", "::1 2001:db8::1"},
		{"::ffff:0:0/96", "10.0.0.1 ::ffff:10.0.0.1", "::1"},
		{"::/0", "::1 2001:db8::1", "10.0.0.1 ::ffff:10.0.0.1"},
		{"0.0.0.0/0,::/0", "10.0.0.1 ::1", ""},
		{"::1", "::1", "127.0.0.1 ::2"},
		{"2001:DB8::1", "2001:db8::1", "2001:db8::2"},
		{"2001:db8::/32", "2001:db8::1 2001:db8:ffff::1", "2001:db9::1 10.0.0.1"},
		{"2001:db8::5/126", "2001:db8::4 2001:db8::7", "2001:db8::3 2001:db8::8"},
		{"fe80::1%eth0", "fe80::1", "fe80::2"}, // any link
	} {
		list, err := ParseAllowList(c.list)
		if err != nil {
			t.Errorf("%q: %v", c.list, err)
			continue
		}
		for want, ips := range map[bool]string{true: c.allows, false: c.refuses} {
			for ip := range strings.FieldsSeq(ips) {
				forms := []net.IP{net.ParseIP(ip)} // 16 bytes
				if v4 := forms[0].To4(); v4 != nil {
					forms = append(forms, v4)
				}
				for _, form := range forms {
					for _, addr := range both(form) {
						if got := list.Allows(addr); got != want {
							t.Errorf("%q allows %v (%T of %d bytes): %v", c.list, addr, addr, len(form), got)
						}
					}
				}
			}
		}
	}
}

func TestAnAllowListIsAboutTheAddressOfAPeerOnAnyLink(t *testing.T) {
	list, err := ParseAllowList("fe80::/10")
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{
		&net.UDPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"},
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"},
	} {
		if !list.Allows(addr) {
			t.Errorf("%v is refused", addr)
		}
	}
}

func TestAPeerWithoutAnIPAddressIsAllowedOnlyWhereAllAre(t *testing.T) {
	some, err := ParseAllowList("0.0.0.0/0,::/0")
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{&net.UnixAddr{Name: "x"}, &net.UDPAddr{}, &net.TCPAddr{}, &net.UDPAddr{IP: net.IP{1, 2, 3}}, nil} {
		if some.Allows(addr) || !AllowList(nil).Allows(addr) {
			t.Errorf("%v", addr)
		}
	}
}

func TestABadEntryOfAnAllowListIsNamed(t *testing.T) {
	for _, bad := range []string{
		"localhost", "10.0.0", "10.0.0.256", "10.0.0.1:4433", "[::1]", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
		"/8", "::/129", "10.0.0.0/8/8", "10.0.0.1 10.0.0.2", "010.0.0.1", "10.0.0.0-10.0.0.9", "*", "fe80::%eth0/10", "::%/",
	} {
		for _, s := range []string{bad, "10.0.0.1, " + bad, bad + " ,10.0.0.1"} {
			list, err := ParseAllowList(s)
			if err == nil || list != nil {
				t.Errorf("%q: %v, %v", s, list, err)
				continue
			}
			if !strings.Contains(err.Error(), `"`+bad+`"`) {
				t.Errorf("%q: %v: does not name the entry", s, err)
			}
		}
	}
}
