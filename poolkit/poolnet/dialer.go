package poolnet

import (
	"context"
	"errors"
	"net"

	"github.com/vistone/poolkit/poolkit"
)

// ErrSingleUse is why a pool's members cannot be returned: each serves one lease, as
// [poolkit.Config.SingleUse] says.
var ErrSingleUse = errors.New("poolnet: the pool's members serve one lease each and cannot be returned: let Close end them")

// Dialer lends out members as connections, in the shapes in which libraries want to
// dial. What a library calls dialling is then [poolkit.Pool.Acquire], its errors
// included: a ready member costs no handshake, and where none is ready the call waits
// as long as its ctx allows.
//
// The network and the address that the library passes are not dialled, since the pool
// knows where its members lead. Choosing makes use of them.
//
// Unless said otherwise, Close of a connection ends the member. Returning and
// HandingOver make dialers that do otherwise. A Dialer does not change; any goroutine
// may call its methods at any time.
//
// # Connections
//
// A connection may be used by any goroutine, and closed more than once. After Close
// all its methods fail with [net.ErrClosed], also when the member serves somebody else
// by then, and calls under way fail with it as soon as the member has been shut. The end
// of its dial's ctx does not matter to a connection.
//
// It has CloseWrite if the member has. If the member also has a SyscallConn that does not
// fail, such as a [net.TCPConn], it has SyscallConn, ReadFrom and WriteTo, so that the
// kernel still copies between two sockets. And it has a method
//
//	NetConn() net.Conn
//
// that returns the member itself, such as a *quic.StreamConn, to ask it for more: the
// state of TLS, its ID. It returns nil after Close. Reading, writing and closing are
// the connection's business.
type Dialer[C net.Conn] struct {
	pool    *poolkit.Pool[C]
	acquire acquireFunc[C]
	unwrap  func(C) net.Conn // set where members are handed over
	returns bool             // Close returns members
}

type acquireFunc[C net.Conn] = func(ctx context.Context, network, addr string) (poolkit.Lease[C], error)

// NewDialer returns a dialer that lends any member of the pool, the one whose turn it
// is. Close of a connection ends the member, as [poolkit.Lease.Discard] does. It panics
// if pool is nil.
func NewDialer[C net.Conn](pool *poolkit.Pool[C]) *Dialer[C] {
	if pool == nil {
		panic("poolnet: NewDialer of a nil pool")
	}
	return &Dialer[C]{
		pool: pool,
		acquire: func(ctx context.Context, _, _ string) (poolkit.Lease[C], error) {
			return pool.Acquire(ctx)
		},
	}
}

// Choosing returns a dialer like d that asks acquire for the member, instead of the
// pool for any: the place to choose by what the library calls the address. A client's
// name in place of a host name, for example, can find the members of that client, with
// [poolkit.Pool.AcquireFrom].
//
// It panics if acquire is nil.
func (d *Dialer[C]) Choosing(acquire func(ctx context.Context, network, addr string) (poolkit.Lease[C], error)) *Dialer[C] {
	if acquire == nil {
		panic("poolnet: Choosing of a nil function")
	}
	other := *d
	other.acquire = acquire
	return &other
}

// Returning returns a dialer like d whose connections return their member to the pool
// when they are closed, as [poolkit.Lease.Release] does, for users who dial for each
// exchange. The member must then be between two messages, which only the user can
// know: close after the last byte of an answer has been read.
//
// A member that is certainly not fit for another user is ended instead: one that has
// returned an error, [io.EOF] and timeouts included, one whose sending half has been
// closed, and one with a call under way. Deadlines are removed before it goes back. The
// pool's [poolkit.Config.Healthy] is asked too: it can find out about bytes that nobody
// has asked for.
//
// Where nothing can be returned the error is [ErrSingleUse].
func (d *Dialer[C]) Returning() (*Dialer[C], error) {
	if d.pool.Config().SingleUse {
		return nil, ErrSingleUse
	}
	other := *d
	other.returns, other.unwrap = true, nil
	return &other, nil
}

// HandingOver returns a dialer like d whose connections are the bare members, or what
// unwrap makes of them, if it is not nil. The pool gives their places away and forgets
// them, as [poolkit.Lease.Hijack] says, so that its bounds do not count them any more.
// It is for libraries that keep connections themselves and want to recognise them:
// [net/http.Transport] wants a [crypto/tls.Conn] to speak HTTP/2 over TLS.
//
// Members that share a connection, such as QUIC streams, are better lent: their places
// are real.
func (d *Dialer[C]) HandingOver(unwrap func(C) net.Conn) *Dialer[C] {
	other := *d
	other.returns, other.unwrap = false, unwrap
	if unwrap == nil {
		other.unwrap = func(member C) net.Conn { return member }
	}
	return &other
}

// DialContext lends a member: for [net/http.Transport], database drivers, Redis clients.
func (d *Dialer[C]) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	lease, err := d.acquire(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if lease == (poolkit.Lease[C]{}) {
		return nil, errors.New("poolnet: the function given to Choosing returned neither a member nor an error")
	}
	if d.unwrap != nil {
		return d.handOver(lease)
	}
	c, _ := lend(lease, d.returns)
	return c, nil
}

// handOver makes a lease's member the caller's own.
func (d *Dialer[C]) handOver(lease poolkit.Lease[C]) (net.Conn, error) {
	defer lease.Discard() // has no effect after Hijack
	c := d.unwrap(lease.Conn())
	if c == nil {
		return nil, errors.New("poolnet: the function given to HandingOver returned no connection")
	}
	if !lease.Hijack() {
		return nil, poolkit.ErrClosed
	}
	return c, nil
}

// DialAddr is DialContext in the shape that gRPC's WithContextDialer takes.
func (d *Dialer[C]) DialAddr(ctx context.Context, addr string) (net.Conn, error) {
	return d.DialContext(ctx, "tcp", addr)
}

// Dial is DialContext without a context, which waits until a member is there or the
// pool closes: with it d is a Dialer of golang.org/x/net/proxy.
func (d *Dialer[C]) Dial(network, addr string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, addr)
}
