//go:build unix

package tcp

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// canLook says that sockets can be read without waiting.
const canLook = true

// look says what is in a socket, and leaves it there.
func (s *socket) look() sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.raw.Control(s.doPeek); err != nil {
		return ended
	}
	switch {
	case errors.Is(s.err, syscall.EAGAIN):
		return quiet
	case s.err != nil || s.n == 0:
		return ended
	}
	return waiting
}

func (s *socket) peek(fd uintptr) {
	for {
		s.n, _, s.err = syscall.Recvfrom(int(fd), s.byte[:], syscall.MSG_PEEK)
		if !errors.Is(s.err, syscall.EINTR) {
			return
		}
	}
}

// read reads what has arrived. Where that is nothing it returns errWouldWait.
func (s *socket) read(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = p
	err = s.raw.Control(s.doGet)
	s.buf = nil
	switch {
	case err != nil:
		return 0, net.ErrClosed
	case errors.Is(s.err, syscall.EAGAIN):
		return 0, errWouldWait
	case s.err != nil:
		return 0, s.err
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

func (s *socket) get(fd uintptr) {
	for {
		s.n, s.err = syscall.Read(int(fd), s.buf)
		if !errors.Is(s.err, syscall.EINTR) {
			return
		}
	}
}

// write writes what there is room for. Where that is not all it returns errWouldWait.
func (s *socket) write(p []byte) (n int, err error) {
	ctrl := s.raw.Control(func(fd uintptr) {
		for {
			if n, err = syscall.Write(int(fd), p); !errors.Is(err, syscall.EINTR) {
				return
			}
		}
	})
	switch {
	case ctrl != nil:
		return 0, net.ErrClosed
	case errors.Is(err, syscall.EAGAIN):
		return 0, errWouldWait
	case err != nil:
		return 0, err
	case n < len(p):
		return n, errWouldWait
	}
	return n, nil
}
