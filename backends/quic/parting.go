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

// parting is a gentle close under way: the send half has ended, and the receiving
// half is given the time to. It is guarded by StreamConn.mu, but for the alarm, which
// is the queue's.
type parting struct {
	alarm
	lastRead time.Time
	lastByte time.Time
}

// part begins the gentle close.
func (s *StreamConn) part() {
	s.mu.Lock()
	if s.parting != nil || s.shut {
		s.mu.Unlock()
		return
	}
	now := time.Now()
	p := &parting{lastRead: now, lastByte: now}
	s.parting = p
	over := s.eof
	s.mu.Unlock()

	s.endWrites()
	if over {
		s.finish()
		return
	}
	s.conn.partings.set(&p.alarm, s)
	s.SetReceiveFinalSizeCallback(s.sawFinal)
}

// sawFinal is called once the end of the receiving half is known. It may run on the
// connection's event loop, and does nothing that waits.
func (s *StreamConn) sawFinal(size int64) {
	s.mu.Lock()
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
	shut, p := s.shut, s.parting
	s.mu.Unlock()
	switch {
	case shut:
	case wait > 0:
		s.conn.partings.set(&p.alarm, s)
	default:
		s.finish()
	}
}

// remaining returns, under mu, how long the receiving half may still take.
func (s *StreamConn) remaining(now time.Time) time.Duration {
	switch {
	case s.eof:
		return 0
	case s.readers > 0:
		return s.parting.lastByte.Add(silence).Sub(now)
	default:
		return s.parting.lastRead.Add(patience).Sub(now)
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
	if p := s.parting; p != nil {
		p.lastRead = time.Now()
		if n > 0 {
			p.lastByte = p.lastRead
		}
	}
	over := s.parting != nil && s.eof
	s.mu.Unlock()
	if over {
		s.finish()
	}
}
