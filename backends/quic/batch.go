package quic

import (
	"runtime"
	"sync"

	quicgo "github.com/quic-go/quic-go"
)

// batch writes what many streams of a connection have to say at the same time. When
// each writes for itself, most get a packet of their own: filling 128 streams takes 134
// packets each way, and in batches 5 to 10. Fewer are fewer to lose, and quic-go keeps
// no more than 31 packets of early data that overtake the one they depend on.
type batch struct {
	mu      sync.Mutex
	lines   []line        // guarded by mu, as is the rest
	writing bool          // somebody writes the lines, also those that are added meanwhile
	written chan struct{} // closed by that call when the lines have been written
}

// line is a few bytes for one stream.
type line struct {
	stream *quicgo.Stream
	text   []byte
}

// write returns when text has been written, by this call or by another that is at it.
// That can fail only when the stream has ended, which a read tells as well.
func (b *batch) write(s *quicgo.Stream, text []byte) {
	b.mu.Lock()
	b.lines = append(b.lines, line{s, text})
	if b.writing {
		if b.written == nil {
			b.written = make(chan struct{})
		}
		written := b.written
		b.mu.Unlock()
		<-written
		return
	}
	b.writing = true
	b.mu.Unlock()
	runtime.Gosched() // those who come at the same time get the chance to add theirs
	b.mu.Lock()
	for len(b.lines) > 0 {
		lines, written := b.lines, b.written
		b.lines, b.written = nil, nil
		b.mu.Unlock()
		for _, l := range lines {
			_, _ = l.stream.Write(l.text)
		}
		if written != nil {
			close(written)
		}
		b.mu.Lock()
	}
	b.writing = false
	b.mu.Unlock()
}
