// Package control is how two ends tell each other which streams they have taken:
// over the first stream of the pool, whose ID both know, they announce the IDs of
// further ones, each on a line.
package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/vistone/poolkit/backends/quic"
)

// firstID is the ID of the first stream of a server pool's life, and of no other.
const firstID = "00000000"

// Stream is one end of a control stream.
type Stream struct {
	conn    net.Conn
	reading sync.WaitGroup // the goroutine that reads; ends with conn
	ids     chan string    // closed by the reader, after it has set err
	err     error
	closing chan struct{} // closed by Close

	writing sync.Mutex // held while a line is written
}

// Open takes the control stream out of the pool. Both ends do.
func Open(pool *quic.Pool, timeout time.Duration) (*Stream, error) {
	conn, err := pool.OutgoingGet(firstID, timeout)
	if err != nil {
		return nil, fmt.Errorf("take the control stream: %w", err)
	}
	s := &Stream{conn: conn, ids: make(chan string), closing: make(chan struct{})}
	s.reading.Go(s.read)
	return s, nil
}

// Announce tells the other end that we have taken the stream with this ID.
func (s *Stream) Announce(id string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := io.WriteString(s.conn, id+"\n"); err != nil {
		return fmt.Errorf("announce stream %s: %w", id, err)
	}
	return nil
}

// Next returns the next ID that the other end has announced, or [io.EOF] once it has
// closed its end.
func (s *Stream) Next(ctx context.Context) (string, error) {
	select {
	case id, ok := <-s.ids:
		if !ok {
			return "", s.err
		}
		return id, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Close ends the stream, once. The other end still reads what has been announced.
func (s *Stream) Close() error {
	close(s.closing)
	err := errors.Join(
		s.conn.SetReadDeadline(time.Now()), // a gentle Close would let the reader go on
		s.conn.Close(),
	)
	s.reading.Wait()
	return err
}

func (s *Stream) read() {
	defer close(s.ids)
	lines := bufio.NewScanner(s.conn)
	for lines.Scan() {
		select {
		case s.ids <- lines.Text():
		case <-s.closing:
			s.err = net.ErrClosed
			return
		}
	}
	s.err = io.EOF
	if err := lines.Err(); err != nil {
		s.err = fmt.Errorf("the control stream broke: %w", err)
	}
}
