package quic

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// watch calls gone when an idle stream ends: when the peer wants no more from it,
// when the peer has finished without having sent anything, or when the connection
// is lost. It costs no goroutine.
//
// A stream whose peer has finished after sending something stays: the peer took it
// first, and what it sent is to be read.
func watch(s *StreamConn, gone func()) (stop func() bool) {
	const (
		open     = iota
		finished // after sending something
		ended
	)
	var state atomic.Int32
	unwatch := context.AfterFunc(s.Context(), gone)
	s.SetReceiveFinalSizeCallback(func(size int64) {
		if size > s.preface {
			state.Store(finished)
			return
		}
		state.Store(ended)
		gone()
	})
	return func() bool {
		s.SetReceiveFinalSizeCallback(nil)
		alive := unwatch()
		switch state.Load() {
		case finished:
			return alive && !s.wasReset()
		case ended:
			return false
		}
		return alive
	}
}

// wasReset reports whether the peer has reset a stream that has finished. The
// caller must be the stream's only reader.
func (s *StreamConn) wasReset() bool {
	_ = s.Stream.SetReadDeadline(time.Unix(1, 0)) // makes Peek return at once; never fails
	_, err := s.Peek(make([]byte, 1))
	_ = s.Stream.SetReadDeadline(time.Time{})
	var reset *quicgo.StreamError
	return errors.As(err, &reset)
}

// healthy reports whether the stream's connection is alive, as far as is known.
func healthy(s *StreamConn) bool { return s.conn.Context().Err() == nil }
