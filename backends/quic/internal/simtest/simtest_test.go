package simtest

import (
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const rtt = 50 * time.Millisecond

// inNetwork runs a test on two hosts.
func inNetwork(t *testing.T, test func(*testing.T, *Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, New(t, 2, rtt)) })
}

// send sends a packet from one host to the other's address.
func (n *Network) send(t *testing.T, from int, to net.Addr, what byte) {
	t.Helper()
	if _, err := n.Socket(from).WriteTo([]byte{what}, to); err != nil {
		t.Fatal(err)
	}
}

// receive returns the packets that arrive at a host within a while, and where the
// last came from.
func (n *Network) receive(t *testing.T, host int, within time.Duration) (got []byte, from net.Addr) {
	t.Helper()
	s := n.Socket(host)
	if err := s.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	for {
		_, addr, err := s.ReadFrom(b)
		if err != nil {
			return got, from
		}
		got, from = append(got, b[0]), addr
	}
}

func TestAPacketTakesHalfARoundTrip(t *testing.T) {
	inNetwork(t, func(t *testing.T, n *Network) {
		begun := time.Now()
		n.send(t, 0, n.Socket(1).LocalAddr(), 7)
		b := make([]byte, 10)
		size, from, err := n.Socket(1).ReadFrom(b)
		if err != nil || size != 1 || b[0] != 7 || from.String() != n.Addr(0) {
			t.Errorf("%d bytes from %v, %v", size, from, err)
		}
		if took := time.Since(begun); took != rtt/2 {
			t.Errorf("took %v", took)
		}
	})
}

func TestWhatArrivesWhileNobodyReadsIsLost(t *testing.T) {
	inNetwork(t, func(t *testing.T, n *Network) {
		for i := range byte(100) {
			n.send(t, 0, n.Socket(1).LocalAddr(), i)
		}
		time.Sleep(rtt)
		n.send(t, 0, n.Socket(1).LocalAddr(), 100)
		if got, _ := n.receive(t, 1, time.Second); !slices.Equal(got, []byte{100}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestPacketsOvertakeEachOther(t *testing.T) {
	inNetwork(t, func(t *testing.T, n *Network) {
		n.Jitter(rtt)
		for i := range byte(100) {
			n.send(t, 0, n.Socket(1).LocalAddr(), i)
		}
		got, _ := n.receive(t, 1, 2*rtt)
		if len(got) != 100 || slices.IsSorted(got) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAShareOfThePacketsIsLost(t *testing.T) {
	inNetwork(t, func(t *testing.T, n *Network) {
		for _, host := range []int{0, 1} {
			n.Lose(0.3)
			for i := range 1000 {
				n.send(t, 1-host, n.Socket(host).LocalAddr(), byte(i))
				if i%20 == 0 {
					synctest.Wait()
				}
			}
			if got, _ := n.receive(t, host, rtt); len(got) < 650 || len(got) > 750 {
				t.Errorf("%d of 1000 arrived", len(got))
			}
		}
		n.Lose(0)
		n.Cut(1, true)
		n.send(t, 0, n.Socket(1).LocalAddr(), 1)
		n.send(t, 1, n.Socket(0).LocalAddr(), 1)
		if a, b := n.received(t); a+b > 0 {
			t.Errorf("%d and %d packets crossed the cut", a, b)
		}
		n.Cut(1, false)
		n.send(t, 0, n.Socket(1).LocalAddr(), 1)
		n.send(t, 1, n.Socket(0).LocalAddr(), 1)
		if a, b := n.received(t); a != 1 || b != 1 {
			t.Errorf("%d and %d packets", a, b)
		}
	})
}

// received returns how many packets arrive at each host within a round trip.
func (n *Network) received(t *testing.T) (a, b int) {
	t.Helper()
	done := make(chan int)
	go func() {
		got, _ := n.receive(t, 0, rtt)
		done <- len(got)
	}()
	got, _ := n.receive(t, 1, rtt)
	return <-done, len(got)
}

func TestAHostThatIsReboundHasAnotherAddressAndTheOldOneIsNobodys(t *testing.T) {
	inNetwork(t, func(t *testing.T, n *Network) {
		old := n.Socket(0).LocalAddr()
		n.Rebind(0)
		n.send(t, 0, n.Socket(1).LocalAddr(), 1)
		got, from := n.receive(t, 1, rtt)
		if len(got) != 1 || from.String() == old.String() {
			t.Fatalf("got %v from %v", got, from)
		}
		n.send(t, 1, old, 2)
		n.send(t, 1, from, 3)
		if got, _ := n.receive(t, 0, rtt); !slices.Equal(got, []byte{3}) {
			t.Errorf("got %v", got)
		}
		if n.Socket(0).LocalAddr() != old {
			t.Error("the host noticed")
		}
	})
}
