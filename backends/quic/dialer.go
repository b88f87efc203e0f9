package quic

import (
	"context"
	"crypto/tls"
	"errors"
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
	budget  *budget
	early   bool          // resumed sessions begin with early data
	spread  int           // shards that share the streams evenly
	maxAge  time.Duration // after which a connection is renewed; 0 for never

	partings *alarms // set where streams close gently

	ctx    context.Context // parent of every connection; ends with close
	cancel context.CancelFunc
	work   sync.WaitGroup // attempts to connect
	ends   sync.WaitGroup // connections that have not been taken out of the books
	heeds  sync.WaitGroup // what listens to servers, a goroutine for each connection

	// setup holds a token for each connection being set up. Whoever sends one takes
	// one out again; never closed.
	setup chan struct{}

	carriers  [maxShards]carrier // by shard
	addresses *addresses
	targets   atomic.Pointer[[]target] // as they were looked up last

	sockets sockets

	mu    sync.Mutex
	links map[*link]bool // guarded by mu: those that have not ended
}

func newDialer(r resolver, tlsConf *tls.Config, conf *quicgo.Config, socket net.PacketConn) *dialer {
	d := &dialer{
		resolve: r,
		tls:     resuming(withALPN(tlsConf)),
		quic:    conf,
		budget:  newBudget(0),
		setup:   make(chan struct{}, settingUp),

		addresses: newAddresses(),
		links:     make(map[*link]bool),
	}
	if socket != nil {
		d.sockets.latest = given(socket)
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
		case errors.Is(err, errAgain) && ctx.Err() == nil:
			continue
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

// dialled is a connection that has been made: where to, and on which socket.
type dialled struct {
	*quicgo.Conn

	addr   netip.AddrPort
	socket *socket
}

// connect makes one connection. With early data it can be used before its handshake
// is complete.
func (d *dialer) connect() (made dialled, err error) {
	targets, err := resolve(d.ctx, d.resolve)
	if err != nil {
		return dialled{}, err
	}
	d.targets.Store(&targets)
	s, err := d.sockets.use()
	if err != nil {
		return dialled{}, err
	}
	dial := s.transport.Dial
	if d.early {
		dial = s.transport.DialEarly
	}
	to := d.addresses.choose(targets, time.Now())
	share := d.budget.open()
	conn, err := dial(d.ctx, net.UDPAddrFromAddrPort(to.addr), d.tlsTo(to), share.settings(d.quic))
	if err != nil {
		share.end()
		_ = d.sockets.leave(s) // the error of the dial says more
		d.addresses.left(to.addr)
		d.addresses.unreachable(to.addr)
		d.eject(to.addr)
		return dialled{}, d.connectError(to.addr, err)
	}
	context.AfterFunc(conn.Context(), share.end)
	return dialled{conn, to.addr, s}, nil
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
	d.ends.Wait()
	d.heeds.Wait()
	return d.sockets.close()
}
