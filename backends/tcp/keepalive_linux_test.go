package tcp

import (
	"syscall"
	"testing"
	"time"
)

func TestKeepAliveIsOnWhateverThePeriod(t *testing.T) {
	w := &site{T: t}
	server, client := w.compat(1) // which give no period
	s, c := take(t, server, client)
	for end, conn := range map[string]*Conn{"server": s, "client": c} {
		for option, want := range map[int]int{
			syscall.TCP_KEEPIDLE:  int(defaultKeepAlive.Idle / time.Second),
			syscall.TCP_KEEPINTVL: int(defaultKeepAlive.Interval / time.Second),
			syscall.TCP_KEEPCNT:   defaultKeepAlive.Count,
		} {
			if got := socketOption(t, conn, syscall.IPPROTO_TCP, option); got != want {
				t.Errorf("%s: option %d is %d, want %d", end, option, got, want)
			}
		}
		if on := socketOption(t, conn, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE); on != 1 {
			t.Errorf("%s: keep-alive is off", end)
		}
	}
}

func socketOption(t *testing.T, c *Conn, level, option int) (v int) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	ctrl := raw.Control(func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), level, option) })
	if ctrl != nil || err != nil {
		t.Fatal(ctrl, err)
	}
	return v
}
