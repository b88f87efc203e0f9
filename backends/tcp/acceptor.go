package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/poolkit"
)

// acceptor takes the connections of clients. It is the pool's [poolkit.Acceptor], and
// has no goroutine of its own: what waits for a client is the pool's, with a time limit.
type acceptor struct {
	listener  net.Listener
	tls       *tls.Config // nil for plain TCP
	guard     *guard
	keepAlive net.KeepAliveConfig
	name      func(PeerInfo) string // what a peer is called; nil: by its address
	gentle    bool                  // connections close gently
	lookout   *lookout

	watching sync.Once // the pool's context
	closing  sync.Once
	closeErr error // set by closing
}

var _ poolkit.Acceptor[*Conn] = (*acceptor)(nil)

// Accept implements [poolkit.Acceptor]. Connections that are to be turned away cost no
// more than that.
func (a *acceptor) Accept(ctx context.Context) (poolkit.Offer[*Conn], error) {
	a.watching.Do(func() {
		context.AfterFunc(ctx, func() { _ = a.close() }) // which ends the wait below
	})
	for {
		raw, err := a.listener.Accept()
		switch {
		case err == nil && raw == nil:
			return nil, errors.New("the Listener has returned neither a connection nor an error")
		case err == nil:
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, net.ErrClosed):
			return nil, poolkit.Permanent(fmt.Errorf("somebody else has closed the Listener: %w", err))
		default:
			return nil, fmt.Errorf("accept connections: %w", err)
		}
		v := a.guard.greet(raw.RemoteAddr())
		if v == nil {
			reset(raw)
			continue
		}
		return &offer{acceptor: a, raw: raw, guest: v}, nil
	}
}

// close stops listening. The connections that have been accepted stay.
func (a *acceptor) close() error {
	a.closing.Do(func() {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			a.closeErr = err
		}
	})
	return a.closeErr
}

// offer is a connection that has been accepted.
type offer struct {
	acceptor *acceptor
	raw      net.Conn
	guest    *guest
}

// Shard implements [poolkit.Offer]. All connections are on one.
func (o *offer) Shard() int { return 0 }

// Refuse implements [poolkit.Offer].
func (o *offer) Refuse() {
	reset(o.raw)
	o.guest.leave()
}

// Admit implements [poolkit.Offer].
func (o *offer) Admit(ctx context.Context, id poolkit.ID) (admitted *Conn, err error) {
	var c *Conn
	defer func() { // also after a panic of the user's
		if admitted != nil {
			return
		}
		if c != nil {
			_ = c.endAll()
		}
		_ = o.raw.Close() // not reset, so that an alert of TLS arrives
		o.guest.leave()
	}()
	setKeepAlive(o.raw, o.acceptor.keepAlive)
	secure, err := o.shakeHands(ctx)
	if err == nil {
		m := newMeeting(id, o.name(secure), o.acceptor.gentle)
		c, err = newPeerConn(o.raw, secure, m, o.acceptor.lookout)
	}
	if err == nil {
		c.onEnd = o.guest.leave
		err = tell(ctx, c.stream, id)
	}
	if err != nil {
		return nil, fmt.Errorf("client %v: %w", o.raw.RemoteAddr(), err)
	}
	o.guest.settle()
	return c, nil
}

// shakeHands does the handshake of TLS, if there is to be one.
func (o *offer) shakeHands(ctx context.Context) (*tls.Conn, error) {
	secure, ok := o.raw.(*tls.Conn) // of a listener of crypto/tls
	switch {
	case o.acceptor.tls != nil:
		secure = tls.Server(newWire(o.raw), o.acceptor.tls)
	case !ok:
		return nil, nil
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("the handshake: %w", err)
	}
	return secure, nil
}

// name returns what the client is called: what the user says, or else its address.
func (o *offer) name(secure *tls.Conn) string {
	addr := o.raw.RemoteAddr()
	if o.acceptor.name != nil {
		info := PeerInfo{RemoteAddr: addr}
		if secure != nil {
			info.TLS = secure.ConnectionState()
		}
		return o.acceptor.name(info)
	}
	if ip := access.IPOf(addr); ip.IsValid() {
		return ip.String()
	}
	return addrOf(o.raw)
}

// reset ends a connection at once, without anything that has to be remembered of it.
func reset(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close() // it was of no use anyway
}
