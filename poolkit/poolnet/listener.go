package poolnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// ListenerConfig says how a listener accepts. The zero value is right for a pool that
// accepts, and for protocols in which the client speaks first, such as HTTP and gRPC.
type ListenerConfig struct {
	// Addr is the address of the listener, as Addr returns it; default is one whose
	// network and text are "pool".
	Addr net.Addr

	// ServerFirst is for protocols in which the server speaks first, such as SMTP. Accept
	// then yields members as soon as the pool has them, and the server bounds how many it
	// serves: most of them are idle at the other end.
	ServerFirst bool

	// MaxParked bounds the members that wait for their peers to speak; zero is none but
	// the pool's own bound. Each takes one goroutine, until Accept has yielded it.
	//
	// A peer that speaks on a member beyond the bound waits until another peer has
	// spoken. So in a pool that accepts the bound, if any, should be above what all peers
	// keep idle together.
	//
	// In a pool that dials it is required: it is then the number of members to keep
	// ready. The pool's own idle ones would be heard by nobody: call Resize(0, 0) on it.
	MaxParked int
}

// Listener accepts members of a pool as connections, for servers: [net/http.Server],
// gRPC, and whatever takes a [net.Listener]. Its methods may be called by any
// goroutine at any time.
//
// A peer keeps members ready, too, and may use one in an hour. A server that was given
// it at once would run into its timeouts, such as ReadHeaderTimeout of net/http, and
// close it. So a member is parked first, and Accept yields it when its peer has spoken.
// Parked members are on loan.
//
// The connections end their member when they are closed; see [Dialer] about all else
// that they do. The listener takes all members that the pool has to give, so nobody else
// should acquire there.
//
// # The end
//
// The pool lives on when the listener is closed: servers close their listeners first,
// and then let those finish whom they serve. Close the pool after the server.
//
// When the pool drains first, parked members stay until their peers end them or speak,
// and those are still accepted, until none is left. Backends can tell their peers to
// leave, as backends/quic does. So a server of net/http leaves without cutting anybody
// off in this order; its Serve then returns [poolkit.ErrClosed]:
//
//	server.SetKeepAlivesEnabled(false) // connections end after the next answer
//	pool.Shutdown(ctx)                 // returns when the peers have gone elsewhere
//
// Where they are not told, or cannot go elsewhere, that takes as long as ctx allows.
// Close the listener, or the server, to give the parked ones back at once.
type Listener[C net.Conn] struct {
	pool *poolkit.Pool[C]
	cfg  ListenerConfig

	ctx    context.Context // of every Acquire; ends when Close begins
	cancel context.CancelFunc

	places chan struct{} // holds a token for each parked member; nil where they are not bounded
	spoken chan net.Conn // sent by the goroutine of a member whose peer has spoken; never closed
	failed chan error    // sent by gather, why it has no more to park for now; never closed

	gathering sync.WaitGroup // gather; Close waits for it, and then for
	parking   sync.WaitGroup // the goroutines of the parked members

	mu     sync.Mutex
	parked map[*conn[C]]struct{} // guarded by mu; nil once closed
}

var _ net.Listener = (*Listener[net.Conn])(nil)

// NewListener returns a listener that takes the members of a pool.
func NewListener[C net.Conn](pool *poolkit.Pool[C], cfg ListenerConfig) (*Listener[C], error) {
	switch {
	case pool == nil:
		return nil, errors.New("poolnet: NewListener of a nil pool")
	case cfg.MaxParked < 0:
		return nil, fmt.Errorf("poolnet: ListenerConfig.MaxParked is negative (%d)", cfg.MaxParked)
	case cfg.MaxParked > 0 && cfg.ServerFirst:
		return nil, errors.New("poolnet: ListenerConfig.MaxParked is set, but with ServerFirst nothing is parked")
	case cfg.MaxParked == 0 && !cfg.ServerFirst && pool.Config().Dialer != nil:
		return nil, errors.New("poolnet: ListenerConfig.MaxParked is not set, but the pool dials: " +
			"it would replace what is parked until all its places are held")
	}
	if cfg.Addr == nil {
		cfg.Addr = addr{}
	}
	l := &Listener[C]{
		pool:   pool,
		cfg:    cfg,
		spoken: make(chan net.Conn),
		failed: make(chan error),
		parked: make(map[*conn[C]]struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if cfg.MaxParked > 0 {
		l.places = make(chan struct{}, cfg.MaxParked)
	}
	if !cfg.ServerFirst {
		l.gathering.Go(l.gather)
	}
	return l, nil
}

// Accept returns the next member whose peer has spoken. After Close it fails with
// [net.ErrClosed], and so it does when the pool has closed, with [poolkit.ErrClosed].
//
// An error that keeps the pool from making members, and that waiting will not cure, is
// returned at once, as that of [poolkit.Pool.Acquire]. It ends most servers. Who would
// rather wait may call Accept again. No error is temporary: what passes by itself, the
// pool waits for.
func (l *Listener[C]) Accept() (net.Conn, error) {
	c, err := l.next()
	if l.ctx.Err() != nil {
		if err == nil {
			_ = c.Close() // always nil
		}
		err = net.ErrClosed
	}
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: l.cfg.Addr.Network(), Addr: l.cfg.Addr, Err: err}
	}
	return c, nil
}

func (l *Listener[C]) next() (net.Conn, error) {
	if l.cfg.ServerFirst {
		lease, err := l.pool.Acquire(l.ctx)
		if err != nil {
			return nil, err
		}
		c, _ := lend(lease, false)
		return c, nil
	}
	select {
	case c := <-l.spoken: // first of all: after an error the server may leave
		return c, nil
	default:
	}
	select {
	case c := <-l.spoken:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr returns the address of the configuration.
func (l *Listener[C]) Addr() net.Addr { return l.cfg.Addr }

// Close ends accepting: Accept returns at once. Parked members go back to the pool,
// as [poolkit.Lease.Release] does, but those whose peers have spoken are ended. The
// connections that Accept has returned go on, and so does the pool. Close returns after
// the listener's last goroutine. Closing again does nothing.
func (l *Listener[C]) Close() error {
	l.cancel()
	l.mu.Lock()
	parked := l.parked
	l.parked = nil
	var deaf []*conn[C]
	for c := range parked {
		// Under mu, so that it cannot hit a connection that is being accepted.
		if c.member.SetReadDeadline(time.Unix(1, 0)) != nil {
			deaf = append(deaf, c)
		}
	}
	l.mu.Unlock()
	for _, c := range deaf {
		c.lease.Discard()
	}
	l.gathering.Wait()
	l.parking.Wait()
	return nil
}

// addr is the address of a listener that has been given none.
type addr struct{}

func (addr) Network() string { return "pool" }
func (addr) String() string  { return "pool" }
