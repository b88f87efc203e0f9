package tcp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// winner is a connection to an address, and nothing else.
type winner struct {
	net.Conn
	addr string
}

func (w winner) RemoteAddr() net.Addr { return fakeAddr(w.addr) }

// tries lets a pass try addresses, and returns those it may.
func tries(p *pass, addrs ...string) (may []string) {
	for _, addr := range addrs {
		if p.control(context.Background(), "tcp", addr, nil) == nil {
			may = append(may, addr)
		}
	}
	return may
}

func newTestPass(a *addresses) *pass {
	return &pass{trial: &trial{dialer: &dialer{addresses: a}, server: "db:1"}}
}

func TestAnAddressThatFailedIsLeftOut(t *testing.T) {
	a := newAddresses()
	p := newTestPass(a)
	tries(p, "10.0.0.1:1", "10.0.0.2:1")
	p.judge(t.Context(), winner{addr: "10.0.0.2:1"}, nil)
	if may := tries(newTestPass(a), "10.0.0.1:1", "10.0.0.2:1"); !slices.Equal(may, []string{"10.0.0.2:1"}) {
		t.Errorf("tried are %v, want the second alone: the first failed", may)
	}
	forced := newTestPass(a)
	forced.forced = true
	if may := tries(forced, "10.0.0.1:1"); len(may) == 0 {
		t.Error("an address that failed is not tried where nothing else is left")
	}
}

// IPv6 and IPv4 race: who loses has not failed.
func TestAnAddressThatLostTheRaceIsNotToBlame(t *testing.T) {
	a := newAddresses()
	p := newTestPass(a)
	tries(p, "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1")
	p.judge(t.Context(), winner{addr: "10.0.0.2:1"}, nil)
	may := tries(newTestPass(a), "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1")
	if want := []string{"[::3]:1", "10.0.0.2:1"}; !slices.Equal(may, want) {
		t.Errorf("tried are %v, want %v: the first of each family failed", may, want)
	}
}

func TestEveryAddressOfADialThatFailedHasFailed(t *testing.T) {
	a := newAddresses()
	p := newTestPass(a)
	tries(p, "[::2]:1", "10.0.0.1:1")
	p.judge(t.Context(), nil, syscall.ECONNREFUSED)
	if may := tries(newTestPass(a), "[::2]:1", "10.0.0.1:1"); may != nil {
		t.Errorf("tried are %v, want none", may)
	}
}

func TestADialThatWasGivenUpBlamesNoAddress(t *testing.T) {
	a := newAddresses()
	over, stop := context.WithCancel(t.Context())
	stop()
	for ctx, err := range map[context.Context]error{over: context.Canceled, t.Context(): syscall.EMFILE} {
		p := newTestPass(a)
		tries(p, "10.0.0.1:1")
		p.judge(ctx, nil, err)
		if may := tries(newTestPass(a), "10.0.0.1:1"); may == nil {
			t.Errorf("an address was ejected for %v", err)
		}
	}
}

// A racer may come late; what it does then must not be held against the address.
func TestAnAddressThatIsTriedAfterTheRaceIsNotTried(t *testing.T) {
	a := newAddresses()
	p := newTestPass(a)
	tries(p, "10.0.0.1:1")
	p.judge(t.Context(), winner{addr: "10.0.0.1:1"}, nil)
	if may := tries(p, "[::2]:1"); may != nil {
		t.Error("an address was tried after the dial was over")
	}
}

func TestOneDialAtATimeTriesAnAddressThatFailed(t *testing.T) {
	a := newAddresses()
	start := time.Now()
	a.triedAddr("10.0.0.1:1", failed, start)
	now := start.Add(ejectionFirst)
	if !a.tryAddr("10.0.0.1:1", now) {
		t.Fatal("an address is not tried when its ejection is over")
	}
	if a.tryAddr("10.0.0.1:1", now) {
		t.Error("two dials try an address that failed")
	}
	a.triedAddr("10.0.0.1:1", failed, now)
	if a.tryAddr("10.0.0.1:1", now.Add(ejectionFirst)) {
		t.Error("the second ejection is no longer than the first")
	}
	now = now.Add(2 * ejectionFirst)
	if !a.tryAddr("10.0.0.1:1", now) {
		t.Error("an address is not tried when its second ejection is over")
	}
	a.triedAddr("10.0.0.1:1", worked, now)
	if !a.tryAddr("10.0.0.1:1", now) || len(a.failing) != 0 {
		t.Error("an address that works again is not forgiven")
	}
}

func TestWhatIsNotUsedAnyMoreIsForgotten(t *testing.T) {
	a := newAddresses()
	start := time.Now()
	for i := range 1000 {
		name := fmt.Sprintf("db%d:1", i)
		if _, ok := a.choose([]string{name}, start); !ok {
			t.Fatal("a new server is ejected")
		}
		a.ended(name, failed, errors.New("it failed"), start)
		a.triedAddr(name, failed, start)
	}
	a.choose([]string{"last:1"}, start.Add(2*ejectionMost+ejectionFirst))
	if len(a.servers) != 1 || len(a.failing) != 0 {
		t.Errorf("%d servers and %d addresses are remembered, want the one in use", len(a.servers), len(a.failing))
	}
}

// nameServer is a DNS server on loopback that knows one name, with IPv4 addresses.
func nameServer(t *testing.T, addrs ...string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	go func() { // ends with the socket
		for query := make([]byte, 512); ; {
			n, from, err := socket.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = socket.WriteTo(answer(query[:n], addrs), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

// answer is a DNS message (RFC 1035, section 4.1) with the A records of whatever is
// asked for, and no AAAA records.
func answer(query []byte, addrs []string) []byte {
	end := 12 // of the question
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	if query[end-3] != 1 { // the type is not A
		addrs = nil
	}
	msg := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0}, query[12:end]...)
	for _, addr := range addrs {
		msg = append(msg, 0xc0, 12, 0, 1, 0, 1)
		msg = binary.BigEndian.AppendUint32(msg, 0)
		ip := netip.MustParseAddr(addr).As4()
		msg = append(append(msg, 0, 4), ip[:]...)
	}
	return msg
}

// namedPool starts a pool that looks names up at a resolver.
func namedPool(t *testing.T, cfg DialConfig, names *net.Resolver) (*pool, *dialer) {
	t.Helper()
	d, _, err := cfg.dialer()
	if err != nil {
		t.Fatal(err)
	}
	d.net.Resolver = names
	p, err := poolkit.New(cfg.core(d))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, d
}

func TestAnAddressIsTriedAgainAfterPrepareEndedItsGoroutine(t *testing.T) {
	server, cfg := serverThat(t, false, echo)
	cfg.Prepare = func(context.Context, *Conn) error {
		runtime.Goexit()
		return nil
	}
	d, _, err := cfg.dialer()
	if err != nil {
		t.Fatal(err)
	}
	core := cfg.core(d)
	defer func() {
		if err := core.Closed(); err != nil {
			t.Error(err)
		}
	}()
	d.addresses.triedAddr(server.addr, failed, time.Now().Add(-ejectionFirst))
	var work sync.WaitGroup
	work.Go(func() { _, _, _ = d.Dial(t.Context(), 0) }) // does not return
	work.Wait()
	if !d.addresses.tryAddr(server.addr, time.Now()) {
		t.Error("the address counts as being tried still")
	}
}
