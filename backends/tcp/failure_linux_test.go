package tcp

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// The limit is lowered to the files that are open, for a moment.
func TestTheProcessRunsOutOfFileDescriptors(t *testing.T) {
	s := startUpstream(t, nil, echo)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	lowered := limit
	lowered.Cur = uint64(file.Fd()) + 1 // its number was the lowest that was free
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered); err != nil {
		t.Fatal(err)
	}
	restore := func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	defer restore()

	p, err := Dial(DialConfig{Addr: s.addr, MinCapacity: 4, MaxCapacity: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	eventually(t, "nothing failed", func() bool { return p.Stats().Failed > 0 })
	if err := p.Stats().LastError; !errors.Is(err, syscall.EMFILE) {
		t.Errorf("%v, want too many open files", err)
	} else {
		says(t, err, s.addr, "raise the limit (ulimit -n) or lower MaxOpen")
	}
	restore()
	ready(t, p, 4)
}
