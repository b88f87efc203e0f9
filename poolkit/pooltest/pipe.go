package pooltest

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// pipe is one end of a pipe. It knows when either end has been closed.
type pipe struct {
	net.Conn
	other *pipe
	id    poolkit.ID // at the peer's end
	ended context.Context
	end   context.CancelFunc
}

func newPipe() (near, far *pipe) {
	a, b := net.Pipe()
	ctx, end := context.WithCancel(context.Background())
	near, far = &pipe{Conn: a, ended: ctx, end: end}, &pipe{Conn: b, ended: ctx, end: end}
	near.other, far.other = far, near
	return near, far
}

func (c *pipe) Close() error {
	c.end()
	return c.Conn.Close()
}

// quiet is a connection of a peer that does nothing while it is silent.
type quiet struct {
	*pipe
	silence *Gate
}

func (c quiet) Read(b []byte) (int, error) {
	if err := c.silence.Pass(c.ended); err != nil {
		return 0, net.ErrClosed
	}
	return c.pipe.Read(b)
}

func (c quiet) Write(b []byte) (int, error) {
	if err := c.silence.Pass(c.ended); err != nil {
		return 0, net.ErrClosed
	}
	return c.pipe.Write(b)
}

const (
	// longest is how long a message of the suite can be, in bytes.
	longest = 64

	// answerWithin is how long Echo waits. On a busy machine a second may pass before a
	// goroutine runs.
	answerWithin = 10 * time.Second
)

// Echo is a [Backend]'s Echo where members are net.Conns and the peer sends back what
// it reads. It fails if that takes more than ten seconds.
func Echo[C net.Conn](member C, message []byte) (answer []byte, err error) {
	if err := member.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return nil, err
	}
	if _, err := member.Write(message); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	answer = make([]byte, len(message))
	if _, err := io.ReadFull(member, answer); err != nil {
		return nil, fmt.Errorf("wait for the answer: %w", err)
	}
	return answer, member.SetDeadline(time.Time{})
}
