package quic

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// roster is the idle streams of one connection. When the connection is lost they
// leave the pool, all at once, without a goroutine or a context for each.
type roster struct {
	mu      sync.Mutex
	idle    list[*StreamConn] // guarded by mu, as is the rest
	leaving list[*StreamConn] // those that the pool has been told are about to end
	lost    bool
}

// reopen takes streams again, after dismiss.
func (r *roster) reopen() {
	r.mu.Lock()
	r.lost = false
	r.mu.Unlock()
}

// dismiss lets everybody go, and from now on everybody who comes: the connection is
// lost.
func (r *roster) dismiss() {
	r.mu.Lock()
	r.lost = true
	gone := r.idle.takeAll(r.leaving.takeAll(nil))
	r.mu.Unlock()
	for _, s := range gone {
		s.sentry.watcher.Gone()
	}
}

// size is the number of streams that nobody has.
func (r *roster) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idle.len() + r.leaving.len()
}

// waiting is the number of idle streams.
func (r *roster) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.idle.len()
}

// announce tells the pool that the n longest idle streams are about to end, or as many
// as there are.
func (r *roster) announce(n int) {
	r.mu.Lock()
	var some []poolkit.Watcher
	for at := r.idle.front(); at != nil && len(some) < n; at = r.idle.front() {
		s := at.value
		at.remove()
		r.leaving.push(at, s)
		some = append(some, s.sentry.watcher)
	}
	r.mu.Unlock()
	for _, w := range some {
		w.Leaving()
	}
}

// release lets go those that were announced.
func (r *roster) release() {
	r.mu.Lock()
	gone := r.leaving.takeAll(nil)
	r.mu.Unlock()
	for _, s := range gone {
		s.sentry.watcher.Gone()
	}
}

// sentry watches one idle stream, which it is a part of.
type sentry struct {
	place   node[*StreamConn]
	watcher poolkit.Watcher
	state   atomic.Int32
	unwait  func() bool // stops waiting for the peer to want no more; set once left
}

// The states of a watched stream.
const (
	open  = iota
	left  // the peer has finished after sending something
	ended // the stream is of no use any more
)

// watch says when an idle stream ends: when its connection is lost, when the
// peer has finished without having sent anything, and when the peer has finished
// and wants no more from us either.
//
// A stream whose peer has finished after sending something stays until then: the
// peer took it first, and what it sent is to be read.
func watch(s *StreamConn, w poolkit.Watcher) (stop func() bool) {
	s.sentry.watcher = w
	s.conn.roster.mu.Lock()
	lost := s.conn.roster.lost
	if !lost {
		s.conn.roster.idle.push(&s.sentry.place, s)
	}
	s.conn.roster.mu.Unlock()
	if lost {
		w.Gone()
		return func() bool { return false }
	}
	s.SetReceiveFinalSizeCallback(s.finishedIdle)
	return s.unwatch
}

// finishedIdle is called once the end of an idle stream's receiving half is known.
// It may run on the connection's event loop.
func (s *StreamConn) finishedIdle(size int64) {
	w := &s.sentry
	if size > s.conn.preface {
		w.unwait = context.AfterFunc(s.Context(), s.gone)
		w.state.Store(left)
		return
	}
	w.state.Store(ended)
	s.gone()
}

// gone ends the watch of a stream that has ended.
func (s *StreamConn) gone() {
	s.conn.roster.mu.Lock()
	s.sentry.place.remove()
	s.conn.roster.mu.Unlock()
	s.sentry.watcher.Gone()
}

// unwatch ends the watch, and reports whether the stream is alive.
func (s *StreamConn) unwatch() bool {
	w := &s.sentry
	s.SetReceiveFinalSizeCallback(nil)
	s.conn.roster.mu.Lock()
	alive := w.place.remove() // the dead have been taken out
	s.conn.roster.mu.Unlock()
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
func healthy(s *StreamConn) bool { return s.conn.usable() }
