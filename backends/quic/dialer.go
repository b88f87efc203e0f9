package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// dialer opens streams, each on the connection of its shard. It is the pool's
// [poolkit.Dialer].
type dialer struct {
	// Set by newDialer.
	resolve resolver
	tls     *tls.Config
	quic    *quicgo.Config
	early   bool // resumed sessions begin with early data

	partings *alarms // set where streams close gently

	ctx    context.Context // parent of every connection; ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup // attempts to connect

	// setup holds a token for each connection being set up. Whoever sends one takes
	// one out again; never closed.
	setup chan struct{}

	carriers [maxShards]carrier // by shard

	mu        sync.Mutex
	transport *quicgo.Transport // guarded by mu: one socket for all connections; nil until the first
	owned     bool              // guarded by mu: the transport's socket is ours to close
}

func newDialer(r resolver, tlsConf *tls.Config, conf *quicgo.Config, socket net.PacketConn) *dialer {
	d := &dialer{
		resolve: r,
		tls:     resuming(withALPN(tlsConf)),
		quic:    conf,
		setup:   make(chan struct{}, settingUp),
	}
	if socket != nil {
		d.transport = &quicgo.Transport{Conn: socket}
	}
	for i := range d.carriers {
		d.carriers[i].dialer = d
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Dial implements [poolkit.Dialer].
func (d *dialer) Dial(ctx context.Context, shard int) (poolkit.ID, *StreamConn, error) {
	l, err := d.carriers[shard].connection(ctx)
	if err != nil {
		return poolkit.ID{}, nil, err
	}
	id, stream, err := l.dial(ctx)
	if errors.Is(err, quicgo.Err0RTTRejected) { // the server does not know our session any more
		if err = l.await(ctx); err == nil {
			id, stream, err = l.dial(ctx)
		}
	}
	if err != nil {
		return poolkit.ID{}, nil, l.explain(ctx, err)
	}
	s := newStreamConn(l.connection, stream, serverPreface, d.partings)
	s.onEnd = l.ended
	return id, s, nil
}

// enter waits until a connection may be set up. The caller calls leave when it is.
func (d *dialer) enter() (leave func(), err error) {
	select {
	case d.setup <- struct{}{}:
		return func() { <-d.setup }, nil
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// connect makes one connection. With early data it can be used before its handshake
// is complete.
func (d *dialer) connect() (*quicgo.Conn, error) {
	addr, err := resolve(d.ctx, d.resolve)
	if err != nil {
		return nil, err
	}
	t, err := d.socket()
	if err != nil {
		return nil, err
	}
	dial := t.Dial
	if d.early {
		dial = t.DialEarly
	}
	conn, err := dial(d.ctx, addr, d.tls, d.quic)
	if err != nil {
		return nil, connectError(addr, err)
	}
	return conn, nil
}

// socket returns the transport of all connections.
func (d *dialer) socket() (*quicgo.Transport, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.transport != nil {
		return d.transport, nil
	}
	socket, err := net.ListenUDP("udp", nil)
	if err != nil {
		return nil, fmt.Errorf("open a UDP socket: %w", err)
	}
	d.transport = &quicgo.Transport{Conn: socket}
	d.owned = true
	return d.transport, nil
}

// connectError says which failures to connect waiting will not cure: those of the
// TLS handshake, at either end.
func connectError(addr net.Addr, err error) error {
	wrapped := fmt.Errorf("connect to %v: %w", addr, err)
	var t *quicgo.TransportError
	if !errors.As(err, &t) || !t.ErrorCode.IsCryptoError() {
		return wrapped
	}
	hint := "check the certificate, the host name and the TLS mode"
	if t.ErrorCode == noApplicationProtocol {
		hint = "the server does not offer the protocol " + alpn
	}
	return poolkit.Permanent(fmt.Errorf("%w (%s)", wrapped, hint))
}

// noApplicationProtocol is the TLS alert of that name (RFC 7301) as QUIC sends it
// (RFC 9001, section 4.8).
const noApplicationProtocol = 0x100 + 120

// close ends every connection and the socket.
func (d *dialer) close() error {
	d.cancel()
	d.work.Wait()
	for i := range d.carriers {
		d.carriers[i].close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.transport == nil {
		return nil
	}
	err := d.transport.Close()
	if d.owned {
		err = errors.Join(err, d.transport.Conn.Close())
	}
	return err
}
