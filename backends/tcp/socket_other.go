//go:build !unix

package tcp

import "net"

// canLook says that sockets cannot be read without waiting.
const canLook = false

func (s *socket) look() sight { return quiet }

func (s *socket) read([]byte) (int, error) { return 0, net.ErrClosed }

func (s *socket) write([]byte) (int, error) { return 0, net.ErrClosed }

func (s *socket) peek(uintptr) {}

func (s *socket) get(uintptr) {}
