package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// exchangeTimeout bounds the setting up of one connection, the handshake of TLS and the
// exchange of the ID included: a hundred round trips of the slowest path there is.
const exchangeTimeout = 10 * time.Second

var (
	errSilent = errors.New("the server sent no ID in time: is it a pool of tcp.Listen, and do both ends use TLS, or neither?")
	errTurned = errors.New("the server ended the connection before it sent an ID: it is full, or this address is not allowed or over its limits there")
)

// tell is the server's side of the exchange: it tells the client the ID.
func tell(ctx context.Context, c net.Conn, id poolkit.ID) error {
	over := within(ctx, c)
	_, err := c.Write(id[:])
	if over() {
		return fmt.Errorf("send the ID: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("send the ID: %w", err)
	}
	return nil
}

// ask is the client's side: it reads the ID, and not a byte more.
func ask(ctx context.Context, c net.Conn) (id poolkit.ID, err error) {
	over := within(ctx, c)
	n, err := io.ReadFull(c, id[:])
	late := over()
	switch {
	case late && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return id, fmt.Errorf("%w (%d of %d bytes)", errSilent, n, len(id))
	case late:
		return id, context.Cause(ctx)
	case err == nil:
		return id, nil
	case isAlert(err):
		return id, err
	}
	return id, fmt.Errorf("%w (%d of %d bytes): %w", errTurned, n, len(id), err)
}

// turned says what it means when a pool of Listen ends a connection without a word.
func (d *dialer) turned(err error) error {
	if d.meets && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return fmt.Errorf("%w: %w", errTurned, err)
	}
	return err
}

// isAlert reports whether TLS failed at the server. With TLS 1.3 that is heard of after
// our handshake is complete: only then does the server see our certificate.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" // as crypto/tls has it
}

// within makes the reads and writes of a connection end with ctx. The caller calls over
// after the last, which reports whether it has.
func within(ctx context.Context, c net.Conn) (over func() bool) {
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(time.Unix(1, 0)) // fails only where it has been closed
	})
	return func() bool { return !stop() }
}

// meet does the exchange on a connection that has just been dialled.
func (t *trial) meet(ctx context.Context, raw net.Conn, secure *tls.Conn) (*meeting, error) {
	stream := raw
	if secure != nil {
		stream = secure
	}
	id, err := ask(ctx, stream)
	switch {
	case isAlert(err):
		return nil, handshakeError(t.server, err)
	case err != nil:
		return nil, connectError(t.server, err)
	}
	return newMeeting(id, t.server, t.gentle), nil
}
