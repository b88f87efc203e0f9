package quic

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
func mem() (uint64, uint64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs, m.TotalAlloc
}
func TestProfPooled(t *testing.T) {
	for _, c := range []int{64, 128, 256} {
		client, server := pair(t, c, c, 100*time.Millisecond)
		for range 3 {
			c := cpu()
			m, b := mem()
			p := pooledCycles(t, client, server, 64, 30000)
			m2, b2 := mem()
			t.Logf("%.0f/s cpu %v allocs %d bytes %d", 30000/p.Seconds(), (cpu()-c)/30000, (m2-m)/30000, (b2-b)/30000)
		}
		client.Close()
		server.Close()
	}
}
func TestProfBare(t *testing.T) {
	bc, bs := barePair(t)
	for range 3 {
		c := cpu()
		m, b := mem()
		p := bareCycles(t, bc, bs, 64, 30000)
		m2, b2 := mem()
		t.Logf("%.0f/s cpu %v allocs %d bytes %d", 30000/p.Seconds(), (cpu()-c)/30000, (m2-m)/30000, (b2-b)/30000)
	}
}
