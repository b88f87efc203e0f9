package quic

import (
	"syscall"
	"testing"
	"time"
)

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(0, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
func TestProfPooled(t *testing.T) {
	client, server := pair(t, 128, 128, 100*time.Millisecond)
	for range 3 {
		c := cpu()
		p := pooledCycles(t, client, server, 64, 30000)
		t.Logf("%.0f/s cpu %v", 30000/p.Seconds(), (cpu()-c)/30000)
	}
}
func TestProfBare(t *testing.T) {
	bc, bs := barePair(t)
	for range 3 {
		c := cpu()
		p := bareCycles(t, bc, bs, 64, 30000)
		t.Logf("%.0f/s cpu %v", 30000/p.Seconds(), (cpu()-c)/30000)
	}
}
