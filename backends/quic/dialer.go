package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// dialer opens streams, each on the connection of its shard. It is the pool's
// [poolkit.Dialer].
type dialer struct {
	// Set by newDialer.
	resolve resolver
	tls     *tls.Config
	trust   trust.Policy // takes the place of certificate authorities; may be nil
	quic    *quicgo.Config
	early   bool          // resumed sessions begin with early data
	spread  int           // shards that share the streams evenly
	maxAge  time.Duration // after which a connection is renewed; 0 for never

	partings *alarms // set where streams close gently

	ctx    context.Context // parent of every connection; ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup // attempts to connect
	heeds  sync.WaitGroup // what listens to servers, a goroutine for each connection

	// setup holds a token for each connection being set up. Whoever sends one takes
	// one out again; never closed.
	setup chan struct{}

	carriers  [maxShards]carrier // by shard
	addresses *addresses
	targets   atomic.Pointer[[]target] // as they were looked up last

	mu        sync.Mutex
	transport *quicgo.Transport // guarded by mu: one socket for all connections; nil until the first
	owned     bool              // guarded by mu: the transport's socket is ours to close
	links     map[*link]bool    // guarded by mu: those that have not ended
}

func newDialer(r resolver, tlsConf *tls.Config, conf *quicgo.Config, socket net.PacketConn) *dialer {
	d := &dialer{
		resolve: r,
		tls:     resuming(withALPN(tlsConf)),
		quic:    conf,
		setup:   make(chan struct{}, settingUp),

		addresses: newAddresses(),
		links:     make(map[*link]bool),
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
	for {
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
		switch {
		case errors.Is(err, errRetired) && ctx.Err() == nil:
			continue // it is not the shard's connection any more
		case err != nil:
			return poolkit.ID{}, nil, l.explain(ctx, err)
		}
		return id, newStreamConn(l.connection, stream), nil
	}
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
func (d *dialer) connect() (*quicgo.Conn, netip.AddrPort, error) {
	targets, err := resolve(d.ctx, d.resolve)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	d.targets.Store(&targets)
	t, err := d.socket()
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	dial := t.Dial
	if d.early {
		dial = t.DialEarly
	}
	to := d.addresses.choose(targets, time.Now())
	conn, err := dial(d.ctx, net.UDPAddrFromAddrPort(to.addr), d.tlsTo(to), d.quic)
	if err != nil {
		d.addresses.left(to.addr)
		d.eject(to.addr)
		return nil, to.addr, d.connectError(to.addr, err)
	}
	return conn, to.addr, nil
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

// open returns the connections that have not ended, those included that were replaced.
func (d *dialer) open() []*link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.links))
}

// close ends every connection and the socket.
func (d *dialer) close() error {
	d.cancel()
	for i := range d.carriers {
		d.carriers[i].stop()
	}
	d.work.Wait()
	for _, l := range d.open() {
		l.close()
	}
	d.heeds.Wait()
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
