package quic

import (
	"crypto/tls"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

func udp(ip string) *net.UDPAddr { return &net.UDPAddr{IP: net.ParseIP(ip), Port: 4433} }

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
		list, err := parseAllowList(c.list)
		if err != nil {
			t.Errorf("%q: %v", c.list, err)
			continue
		}
		for want, ips := range map[bool]string{true: c.allows, false: c.refuses} {
			for ip := range strings.FieldsSeq(ips) {
				addrs := []*net.UDPAddr{udp(ip)} // 16 bytes
				if v4 := udp(ip).IP.To4(); v4 != nil {
					addrs = append(addrs, &net.UDPAddr{IP: v4})
				}
				for _, addr := range addrs {
					if got := list.allows(addr); got != want {
						t.Errorf("%q allows %v (%d bytes): %v", c.list, addr, len(addr.IP), got)
					}
				}
			}
		}
	}
}

func TestAnAllowListIsAboutTheAddressOfAPeerOnAnyLink(t *testing.T) {
	list, err := parseAllowList("fe80::/10")
	if err != nil {
		t.Fatal(err)
	}
	if addr := (&net.UDPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0"}); !list.allows(addr) {
		t.Errorf("%v is refused", addr)
	}
}

func TestAPeerWithoutAnIPAddressIsAllowedOnlyWhereAllAre(t *testing.T) {
	some, err := parseAllowList("0.0.0.0/0,::/0")
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []net.Addr{&net.UnixAddr{Name: "x"}, &net.UDPAddr{}, &net.UDPAddr{IP: net.IP{1, 2, 3}}, nil} {
		if some.allows(addr) || !allowList(nil).allows(addr) {
			t.Errorf("%v", addr)
		}
	}
}

func TestABadEntryOfAnAllowListIsNamed(t *testing.T) {
	for _, bad := range []string{
		"localhost", "10.0.0", "10.0.0.256", "10.0.0.1:4433", "[::1]", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
		"/8", "::/129", "10.0.0.0/8/8", "10.0.0.1 10.0.0.2", "010.0.0.1", "10.0.0.0-10.0.0.9", "*", "fe80::%eth0/10",
	} {
		for _, s := range []string{bad, "10.0.0.1, " + bad, bad + " ,10.0.0.1"} {
			list, err := parseAllowList(s)
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

func TestAStrangerIsRefusedBeforeTheHandshake(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var handshakes atomic.Int32
		counted := w.tls.Clone()
		counted.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			handshakes.Add(1)
			return nil, nil
		}
		host, _, err := net.SplitHostPort(w.Addr(clientHost))
		if err != nil {
			t.Fatal(err)
		}
		server := newServerPool(5, "192.0.2.0/24, "+host, counted, "ignored", w.Socket(serverHost))
		server.ServerManager()
		w.Cleanup(server.Close)

		stranger := w.clientAt(thirdHost, 5, 5)
		begun := time.Now()
		_, _, err = stranger.IncomingGet(10 * time.Second)
		isTimeout(t, err)
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("the stranger's getter failed after %v", took)
		}
		if n := handshakes.Load(); n != 0 {
			t.Errorf("%d handshakes with a stranger", n)
		}
		if failed := stats(stranger).Failed; failed > 30 {
			t.Errorf("the stranger dialled %d times in ten seconds", failed)
		}
		w.full(5, w.client(5, 5), server)
		if n := handshakes.Load(); n != 1 {
			t.Errorf("%d handshakes with the allowed client", n)
		}
	})
}

func TestANativeServerRefusesStrangersToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{AllowedClients: "10.0.0.0/30"}) // both hosts
		client := w.dial(DialConfig{MinCapacity: 5, MaxCapacity: 5, TLS: simtest.Trust(w.tls)})
		if err := client.WaitReady(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if n := server.Stats().Idle; n != 5 {
			t.Errorf("%d idle streams", n)
		}
		if _, err := Listen(ListenConfig{AllowedClients: "10.0.0.0/30, ten", TLS: w.tls, PacketConn: w.Socket(thirdHost)}); err == nil ||
			!strings.Contains(err.Error(), `"ten"`) {
			t.Errorf("%v", err)
		}
	})
}

func TestABadAllowListFailsEveryGetterAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := newServerPool(5, "10.0.0.1, 10.0.0", w.tls, "ignored", w.Socket(serverHost))
		server.ServerManager()
		defer server.Close()
		begun := time.Now()
		for range 3 {
			_, _, err1 := server.IncomingGet(time.Hour)
			_, err2 := server.OutgoingGet("00000000", time.Hour)
			for _, err := range []error{err1, err2} {
				if err == nil || !strings.Contains(err.Error(), `"10.0.0" is neither an IP address nor a prefix`) {
					t.Errorf("%v", err)
				}
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}
