package quic

import (
	"errors"
	"os"
	"time"
)

// How long a gentle Close waits for the receiving half to end by itself.
const (
	patience = time.Second // for somebody to read
	silence  = time.Minute // for a byte, while somebody reads
)

// unknown is the final size of a receiving half whose end has not been seen.
const unknown = -1

// parting is a gentle close: the send half has ended, and the receiving half is
// given the time to. All of it is guarded by StreamConn.mu, but for the alarm, which
// is the queue's.
type parting struct {
	alarm
	leaving bool

	read     int64 // bytes read, the preface included
	final    int64 // bytes the peer sent in all, or unknown
	eof      bool  // a reader has seen the end
	readers  int   // reads under way
	lastRead time.Time
	lastByte time.Time
}

// part begins the gentle close.
func (s *StreamConn) part() {
	s.mu.Lock()
	if s.leaving || s.shut {
		s.mu.Unlock()
		return
	}
	s.leaving = true
	over := s.eof
	if !over {
		s.lastRead = time.Now()
		s.lastByte = s.lastRead
	}
	s.mu.Unlock()

	s.endWrites()
	if over {
		s.finish()
		return
	}
	s.partings.set(&s.alarm, s)
	s.SetReceiveFinalSizeCallback(s.sawFinal)
}

// sawFinal is called once the end of the receiving half is known. It may run on the
// connection's event loop, and does nothing that waits.
func (s *StreamConn) sawFinal(size int64) {
	s.mu.Lock()
	s.final = size
	complete := s.read >= size && s.readers == 0 && !s.shut
	if complete {
		s.shut = true // so that no more reads begin
	}
	s.mu.Unlock()
	if !complete {
		return
	}
	// All that was sent has been read, so this returns at once, with the end. It
	// spares the peer a frame that tells it to stop what it has finished.
	var b [1]byte
	_, _ = s.Stream.Read(b[:])
	s.endHalves()
	s.endLease()
}

// ring finishes the close if it is time to.
func (s *StreamConn) ring() {
	s.mu.Lock()
	wait := s.remaining(time.Now())
	shut := s.shut
	s.mu.Unlock()
	switch {
	case shut:
	case wait > 0:
		s.partings.set(&s.alarm, s)
	default:
		s.finish()
	}
}

// remaining returns how long the receiving half may still take.
func (p *parting) remaining(now time.Time) time.Duration {
	switch {
	case p.eof:
		return 0
	case p.readers > 0:
		return p.lastByte.Add(silence).Sub(now)
	default:
		return p.lastRead.Add(patience).Sub(now)
	}
}

// readBegins reports whether a read may begin.
func (s *StreamConn) readBegins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return false
	}
	s.readers++
	return true
}

func (s *StreamConn) readEnds(n int, err error) {
	s.mu.Lock()
	s.readers--
	s.read += int64(n)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.eof = true
	}
	if s.leaving {
		s.lastRead = time.Now()
		if n > 0 {
			s.lastByte = s.lastRead
		}
	}
	over := s.leaving && s.eof
	s.mu.Unlock()
	if over {
		s.finish()
	}
}
