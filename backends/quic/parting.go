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
// given the time to. All of it is guarded by StreamConn.mu.
type parting struct {
	leaving bool
	timer   *time.Timer // looks again; set once leaving

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
	s.lastRead = time.Now()
	s.lastByte = s.lastRead
	over := s.eof
	if !over {
		s.timer = time.AfterFunc(patience, s.lookAgain)
	}
	s.mu.Unlock()

	s.endWrites()
	if over {
		_ = s.finish() // end never fails
		return
	}
	s.SetReceiveFinalSizeCallback(s.sawFinal)
}

// sawFinal is called once the end of the receiving half is known. It may run on the
// connection's event loop, so the rest is the timer's business.
func (s *StreamConn) sawFinal(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.final = size
	if s.read >= size && !s.shut {
		s.timer.Reset(0)
	}
}

// lookAgain finishes the close if it is time to. It runs on the timer's goroutine.
func (s *StreamConn) lookAgain() {
	s.mu.Lock()
	if s.shut {
		s.mu.Unlock()
		return
	}
	if wait := s.remaining(time.Now()); wait > 0 {
		s.timer.Reset(wait)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	_ = s.finish() // end never fails
}

// remaining returns how long the receiving half may still take.
func (p *parting) remaining(now time.Time) time.Duration {
	switch {
	case p.eof, p.final != unknown && p.read >= p.final:
		return 0
	case p.readers > 0:
		return p.lastByte.Add(silence).Sub(now)
	default:
		return p.lastRead.Add(patience).Sub(now)
	}
}

// parted ends the gentle close.
func (p *parting) parted() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (s *StreamConn) readBegins() {
	s.mu.Lock()
	s.readers++
	s.mu.Unlock()
}

func (s *StreamConn) readEnds(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers--
	s.read += int64(n)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.eof = true
	}
	if !s.leaving || s.shut {
		return
	}
	s.lastRead = time.Now()
	if n > 0 {
		s.lastByte = s.lastRead
	}
	if s.remaining(s.lastRead) <= 0 {
		s.timer.Reset(0)
	}
}
