//go:build !linux

package tcp

import "time"

// open reports whether the peer has not ended a socket. Bytes that wait hide the end
// from it.
func (s *socket) open() bool { return true }

// broken reports whether a socket that we have not ended was ended otherwise than by the
// peer, in order. Here that is not known.
func (s *socket) broken() bool { return false }

func (s *socket) info(uintptr) {}

// awaitVerdict does nothing: whether the verdict was bad cannot be seen.
func (s *socket) awaitVerdict(time.Time) {}
