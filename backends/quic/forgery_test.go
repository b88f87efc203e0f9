package quic

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// forgery is a server's socket on a network where packets may have a forged sender:
// those from one host say whom they claim to be from.
type forgery struct {
	net.PacketConn
	forger net.Addr
}

func (f *forgery) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := f.PacketConn.ReadFrom(p)
	if err != nil || from.String() != f.forger.String() {
		return n, from, err
	}
	claimed := nth(int(binary.BigEndian.Uint32(p)))
	return copy(p, p[4:n]), claimed, nil
}

func (f *forgery) WriteTo(p []byte, to net.Addr) (int, error) {
	if !hosts10.Contains(to.(*net.UDPAddr).AddrPort().Addr().Unmap()) {
		return len(p), nil // nobody is there
	}
	return f.PacketConn.WriteTo(p, to)
}

// hosts10 are the addresses of a world's hosts.
var hosts10 = netip.MustParsePrefix("10.0.0.0/29")

// forge returns a packet that claims to be from the nth address and to begin a
// connection. Its contents are noise, which only whoever decrypts it can tell.
func forge(n int) []byte {
	const size = 1200 // the least a client's first packet may have (RFC 9000, section 14.1)
	p := binary.BigEndian.AppendUint32(nil, uint32(n))
	p = append(p, 0xc3, 0, 0, 0, 1, 8) // an Initial packet of version 1, to an ID of 8 bytes
	p = append(p, make([]byte, 8)...)
	_, _ = rand.Read(p[len(p)-8:])
	p = append(p, 0, 0) // from an ID of no bytes, without a token
	rest := 4 + size - len(p) - 2
	p = binary.BigEndian.AppendUint16(p, 0x4000|uint16(rest))
	noise := make([]byte, rest)
	_, _ = rand.Read(noise)
	return append(p, noise...)
}

// The victim of forged packets has to prove its address: that is all.
func TestForgedPacketsLockNobodyOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		attacker := w.foreign(clientHost, alpn)
		_, a := w.guarded(acceptorConfig{
			socket: &forgery{w.Socket(serverHost), attacker.Conn.LocalAddr()},
			limits: Limits{Connections: 1},
		})
		const victim = 10<<24 | (thirdHost + 1)
		before := runtime.NumGoroutine()
		var flood sync.WaitGroup
		flood.Go(func() {
			for range 4000 {
				_, _ = attacker.Conn.WriteTo(forge(victim), w.Socket(serverHost).LocalAddr())
				time.Sleep(time.Millisecond)
			}
		})
		defer flood.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		// There are four goroutines for each handshake that has been begun.
		if n, most := runtime.NumGoroutine()-before, 4*(2+3)*defaultLimits.RetryAbove+10; n > most {
			t.Errorf("%d goroutines more, want %d at most", n, most)
		}
		if n := len(a.guard.accounts); n != 0 {
			t.Errorf("%d accounts", n)
		}
		client := w.clientAt(thirdHost, 20, 20)
		begun := time.Now()
		w.full(20, client)
		if took := time.Since(begun); took != 3*rtt && took != 2*rtt { // seldom, it comes just in time for a token
			t.Errorf("the victim was full after %v, want %v", took, 3*rtt)
		}
		if n := a.connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
