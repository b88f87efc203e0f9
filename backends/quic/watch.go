package quic

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// roster is the idle streams of one connection. When the connection is lost they
// leave the pool, all at once, without a goroutine or a context for each.
type roster struct {
	mu   sync.Mutex
	idle list[*sentry] // guarded by mu
	lost bool          // guarded by mu
}

func newRoster(conn *quicgo.Conn) *roster {
	r := new(roster)
	context.AfterFunc(conn.Context(), r.dismiss)
	return r
}

// dismiss lets everybody go: the connection is lost.
func (r *roster) dismiss() {
	r.mu.Lock()
	r.lost = true
	var gone []*sentry
	for n := r.idle.front; n != nil; n = r.idle.front {
		gone = append(gone, n.value)
		n.remove()
	}
	r.mu.Unlock()
	for _, w := range gone {
		w.gone()
	}
}

// sentry watches one idle stream.
type sentry struct {
	place  node[*sentry]
	stream *StreamConn
	gone   func()
	state  atomic.Int32
	unwait func() bool // stops waiting for the peer to want no more; set once left
}

// The states of a watched stream.
const (
	open  = iota
	left  // the peer has finished after sending something
	ended // the stream is of no use any more
)

// watch calls gone when an idle stream ends: when its connection is lost, when the
// peer has finished without having sent anything, and when the peer has finished
// and wants no more from us either.
//
// A stream whose peer has finished after sending something stays until then: the
// peer took it first, and what it sent is to be read.
func watch(s *StreamConn, gone func()) (stop func() bool) {
	w := &sentry{stream: s, gone: gone}
	s.roster.mu.Lock()
	lost := s.roster.lost
	if !lost {
		s.roster.idle.push(&w.place, w)
	}
	s.roster.mu.Unlock()
	if lost {
		gone()
		return func() bool { return false }
	}
	s.SetReceiveFinalSizeCallback(w.sawFinal)
	return w.stop
}

// sawFinal is called once the end of the receiving half is known. It may run on the
// connection's event loop.
func (w *sentry) sawFinal(size int64) {
	if size > w.stream.preface {
		w.unwait = context.AfterFunc(w.stream.Context(), w.gone)
		w.state.Store(left)
		return
	}
	w.state.Store(ended)
	w.gone()
}

// stop ends the watch, and reports whether the stream is alive.
func (w *sentry) stop() bool {
	s := w.stream
	s.SetReceiveFinalSizeCallback(nil)
	s.roster.mu.Lock()
	alive := w.place.remove() // the dead have been taken out
	s.roster.mu.Unlock()
	switch w.state.Load() {
	case left:
		return w.unwait() && alive && !s.wasReset()
	case ended:
		return false
	}
	return alive
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
