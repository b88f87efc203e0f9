//go:build !linux

package tcp

// unsent returns how many bytes the peer has not acknowledged yet, where that is known.
func (s *socket) unsent() int { return 0 }
