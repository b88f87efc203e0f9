package tcp

import (
	"encoding/binary"
	"syscall"
	"time"
)

// open reports whether the peer has not ended a socket. It sees through bytes that
// wait in front of the end.
func (s *socket) open() bool {
	switch s.state() {
	case tcpEstablished, tcpFinWait1, tcpFinWait2: // we may have ended our half
		return true
	}
	return false
}

// broken reports whether a socket that we have not ended was ended otherwise than by the
// peer, in order: it was reset, or has timed out.
func (s *socket) broken() bool {
	state := s.state()
	return state != tcpEstablished && state != tcpCloseWait
}

// state returns the state of TCP.
func (s *socket) state() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.raw.Control(s.doInfo) != nil {
		return tcpClose
	}
	return s.n
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

// States of TCP (net/tcp_states.h).
const (
	tcpEstablished = 1
	tcpFinWait1    = 4
	tcpFinWait2    = 5
	tcpClose       = 7
	tcpCloseWait   = 8
)

// awaitVerdict waits until a server has said what it thinks of our certificate, up to a
// time. In TLS 1.3 it does so only after the handshake: by ending the connection, or by
// going on, as a rule with a session ticket. An alert is no longer than 24 bytes (RFC
// 8446, sections 5.2 and 6), a ticket is.
func (s *socket) awaitVerdict(until time.Time) {
	if s.deadline(until) != nil {
		return
	}
	var buf [25]byte
	_ = s.raw.Read(func(fd uintptr) bool { // fails at that time
		n, _, err := syscall.Recvfrom(int(fd), buf[:], syscall.MSG_PEEK)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.info(fd)
		return err == nil && (n == 0 || n == len(buf)) || err != nil && err != syscall.EAGAIN || s.n != tcpEstablished
	})
	_ = s.deadline(time.Time{})
}
