package tcp

import (
	"encoding/binary"
	"syscall"
)

// open reports whether the peer has not ended a socket. It sees through bytes that
// wait in front of the end.
func (s *socket) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raw.Control(s.doInfo) == nil && s.n == tcpEstablished
}

// info asks for the first bytes of struct tcp_info (linux/tcp.h): the first is the state.
func (s *socket) info(fd uintptr) {
	v, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil { // it is not TCP, and cannot tell
		s.n = tcpEstablished
		return
	}
	var bytes [4]byte
	binary.NativeEndian.PutUint32(bytes[:], uint32(v))
	s.n = int(bytes[0])
}

const tcpEstablished = 1 // TCP_ESTABLISHED (net/tcp_states.h)
