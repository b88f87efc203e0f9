package tcp

import (
	"syscall"
	"unsafe"
)

// unsent returns how many bytes the peer has not acknowledged yet.
func (s *socket) unsent() int {
	var n int32
	_ = s.raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n)))
	})
	return int(n)
}
