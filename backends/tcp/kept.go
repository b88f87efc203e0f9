package tcp

import (
	"crypto/tls"
	"errors"
)

// TLS does not say whether there is something to read unless one reads. What was read to
// find out is kept for who reads next.

// empty reports whether a connection that the peer has ended, or one half of it, holds
// nothing to read. It needs a socket, does not wait, and nobody else reads.
func (c *Conn) empty() bool {
	if c.secure == nil {
		return c.socket.look() == ended
	}
	if c.kept.Load() != nil {
		return false
	}
	var b [1]byte
	n, err := c.readNow(b[:])
	if n > 0 {
		c.kept.Store(&b[0])
		return false
	}
	return !errors.Is(err, errWouldWait)
}

// readNow reads from TLS what there is.
func (c *Conn) readNow(p []byte) (int, error) {
	if c.wire != nil {
		c.wire.eager.Store(true)
		defer c.wire.eager.Store(false)
	}
	return c.secure.Read(p)
}

// receive reads what has been kept, or else from the peer.
func (c *Conn) receive(p []byte) (int, error) {
	if b := c.kept.Load(); b != nil && len(p) > 0 && c.kept.CompareAndSwap(b, nil) {
		p[0] = *b
		return 1, nil
	}
	return c.stream.Read(p)
}

// begun is a TLS connection of which a byte has been kept.
type begun struct {
	*tls.Conn

	from *Conn
}

// Read implements [net.Conn].
func (b begun) Read(p []byte) (int, error) { return b.from.receive(p) }
