package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/poolkit"
)

// acceptor takes the streams that clients open, on any number of connections to one
// UDP socket. It is the pool's [poolkit.Acceptor].
//
// Its goroutines are one that accepts connections, one for each connection that
// accepts its streams, and the guard's patrol; a connection that has yet to prove its
// address has one more until then, and so has one that is sent away. None of them
// waits for a peer's bytes, and close waits for all of them.
type acceptor struct {
	// Set by listen.
	transport *quicgo.Transport
	owned     bool // the transport's socket is ours to close
	listener  listener
	guard     *guard
	budget    *budget
	partings  *alarms               // set where streams close gently
	name      func(PeerInfo) string // what a peer is called; nil: by its address

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	// offers brings streams from their connections to Accept. The buffer spares a
	// switch of goroutines for each when many come at once. Never closed.
	offers chan *offer

	broken chan struct{} // closed by acceptConns when it ends
	err    error         // why; set before

	leaving atomic.Bool // no more connections are wanted
	drain   sync.Once
	drained chan struct{} // closed by Accept, through drain, when no more streams are wanted

	mu    sync.Mutex
	freed []int                // guarded by mu, as is the rest: shard numbers that are used no more, longest first
	next  int                  // the lowest number never used
	conns map[*connection]bool // those that have not ended
}

// listener is what quic-go's two have in common. One returns connections when their
// handshake is complete, the other when they may send early data.
type listener interface {
	Accept(context.Context) (*quicgo.Conn, error)
	Close() error
}

var _ poolkit.Acceptor[*StreamConn] = (*acceptor)(nil)

// checkTLS reports why nobody could connect to a server with that configuration.
func checkTLS(conf *tls.Config) error {
	switch {
	case conf == nil:
		return errors.New("the TLS configuration is nil: a QUIC server needs a certificate")
	case len(conf.Certificates) == 0 && conf.GetCertificate == nil && conf.GetConfigForClient == nil:
		return errors.New("the TLS configuration has no certificate: set Certificates, GetCertificate or GetConfigForClient")
	}
	return nil
}

// acceptorConfig says how an acceptor listens.
type acceptorConfig struct {
	addr   string         // to listen on, unless there is a socket
	socket net.PacketConn // or nil
	tls    *tls.Config
	allow  access.AllowList
	limits Limits
	count  *Refusals             // or nil
	keys   *keys                 // nil: new with every start
	early  bool                  // take early data
	memory int64                 // bytes that may stand unread; zero for the default
	name   func(PeerInfo) string // or nil

	partings *alarms // nil: streams do not close gently
}

// listen starts an acceptor.
func listen(cfg acceptorConfig) (*acceptor, error) {
	if err := checkTLS(cfg.tls); err != nil {
		return nil, err
	}
	a := &acceptor{
		partings: cfg.partings,
		name:     cfg.name,
		offers:   make(chan *offer, places),
		broken:   make(chan struct{}),
		drained:  make(chan struct{}),
		conns:    make(map[*connection]bool),
		guard:    newGuard(cfg.allow, cfg.limits, cfg.count),
		budget:   newBudget(cfg.memory),
	}
	if cfg.early {
		a.budget.even()
	}
	arrivals := newArrivals(a.budget)
	socket := cfg.socket
	if socket == nil {
		udp, err := net.ListenPacket("udp", cfg.addr)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		socket, a.owned = udp, true
	}
	a.transport = &quicgo.Transport{
		Conn: socket,
		// Both run before the TLS handshake, so a stranger costs one packet.
		VerifySourceAddress: a.guard.demandsProof,
		ConnContext:         arrivals.greet(a.guard.greet),
	}
	tlsConf := withALPN(cfg.tls)
	if cfg.keys != nil {
		cfg.keys.install(a.transport, tlsConf)
	}
	var err error
	if a.listener, err = a.accepts(tlsConf, arrivals, cfg.early); err != nil {
		_ = a.closeSocket()
		return nil, fmt.Errorf("listen on %v: %w", socket.LocalAddr(), err)
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.work.Go(a.acceptConns)
	a.work.Go(func() { a.guard.patrol(a.ctx) })
	return a, nil
}

func (a *acceptor) accepts(tlsConf *tls.Config, arrivals *arrivals, early bool) (listener, error) {
	conf := serverSettings()
	if early {
		conf.Allow0RTT = true
		return a.transport.ListenEarly(tlsConf, arrivals.settings(conf))
	}
	return a.transport.Listen(tlsConf, arrivals.settings(conf))
}

// Accept implements [poolkit.Acceptor].
func (a *acceptor) Accept(ctx context.Context) (poolkit.Offer[*StreamConn], error) {
	select {
	case o := <-a.offers:
		return o, nil
	case <-a.broken:
		return nil, a.err
	case <-ctx.Done():
		a.drain.Do(func() { close(a.drained) })
		for {
			select {
			case o := <-a.offers:
				o.Refuse()
			default:
				return nil, context.Cause(ctx)
			}
		}
	}
}

// acceptConns ends with the listener.
func (a *acceptor) acceptConns() {
	defer func() {
		if !a.leaving.Load() {
			close(a.broken)
		}
	}()
	for {
		conn, err := a.listener.Accept(a.ctx)
		if err != nil {
			a.err = fmt.Errorf("accept connections: %w", err)
			return // the listener or its socket is closed
		}
		seat := a.join()
		if seat == nil {
			a.guard.refusals.count(errServerFull)
			a.work.Go(func() { _ = conn.CloseWithError(codeRefused, "too many connections") }) // always nil
			continue
		}
		seat.guest = a.guard.arrive(conn)
		a.work.Go(func() { a.acceptStreams(conn, seat) })
	}
}

// acceptStreams ends with its connection, or ends it when the acceptor is closed.
func (a *acceptor) acceptStreams(conn *quicgo.Conn, seat *seat) {
	defer func() {
		_ = conn.CloseWithError(codeDone, "pool closed") // always nil; does nothing if it has ended
		seat.leave()
	}()
	c := newConnection(conn, clientPreface, a.partings)
	c.streamEnded = func() { seat.end(true) }
	c.guest = seat.guest
	c.named(a.name)
	c.pulse.start(c)
	a.know(c, true)
	defer a.know(c, false)
	a.work.Go(func() { c.heed(func() { c.roster.announce(places) }) }) // ends with the connection
	select {
	case <-c.HandshakeComplete(): // always, unless there is early data
		c.guest.await()
	default:
		a.work.Go(c.guest.await)
	}
	for {
		stream, err := c.AcceptStream(a.ctx)
		if err != nil {
			return
		}
		if !seat.begin() {
			reset(stream, codeQuota)
			continue
		}
		o := &offer{conn: c, stream: stream, seat: seat}
		select {
		case a.offers <- o:
		case <-a.drained:
			o.Refuse()
		case <-c.Context().Done():
			seat.end(false)
			return
		case <-a.ctx.Done():
			return
		}
	}
}

// know keeps the list of the connections that have not ended.
func (a *acceptor) know(c *connection, alive bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if alive {
		a.conns[c] = true
	} else {
		delete(a.conns, c)
	}
}

// open returns the connections that have not ended.
func (a *acceptor) open() []*connection {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.conns))
}

// seat is a shard number in use: by a connection, and by its streams until they have
// ended too, which may be later. Otherwise those would hold places of another's.
type seat struct {
	acceptor *acceptor
	shard    int
	users    atomic.Int64
	guest    *guest // set before there are streams
}

// resting is how many shard numbers stay unused after their last user is gone: the
// pool frees the place of a stream right after that.
const resting = 64

// join returns a seat for a new connection, or nil if there is none.
func (a *acceptor) join() *seat {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &seat{acceptor: a}
	switch {
	case len(a.freed) > resting, a.next == maxPeers && len(a.freed) > 0:
		s.shard = a.freed[0] // freed longest ago
		a.freed = a.freed[1:]
	case a.next < maxPeers:
		s.shard = a.next
		a.next++
	default:
		return nil
	}
	s.users.Add(1) // for the connection
	return s
}

// begin counts a stream in, unless its peer has too many.
func (s *seat) begin() bool {
	if !s.guest.begin() {
		return false
	}
	s.users.Add(1)
	return true
}

// end counts it out; settled says whether the client had its ID.
func (s *seat) end(settled bool) {
	s.guest.end(settled)
	s.leave()
}

// leave ends the use of a seat by its connection or one of its streams.
func (s *seat) leave() {
	if s.users.Add(-1) > 0 {
		return
	}
	a := s.acceptor
	a.mu.Lock()
	defer a.mu.Unlock()
	a.freed = append(a.freed, s.shard)
}

// close ends the listener, every connection and the socket.
func (a *acceptor) close() error {
	err := a.listener.Close() // before the loop ends that takes what has been accepted out of it
	a.cancel()
	a.work.Wait()
	return errors.Join(err, a.transport.Close(), a.closeSocket())
}

func (a *acceptor) closeSocket() error {
	if !a.owned {
		return nil
	}
	return a.transport.Conn.Close()
}

// offer is a stream that a client has opened.
type offer struct {
	conn   *connection
	stream *quicgo.Stream
	seat   *seat
}

// Shard implements [poolkit.Offer].
func (o *offer) Shard() int { return o.seat.shard }

// Admit implements [poolkit.Offer].
func (o *offer) Admit(ctx context.Context, id poolkit.ID) (*StreamConn, error) {
	err := o.conn.exchanges.answer(ctx, o.stream, id)
	if err == nil {
		err = o.conn.proven(ctx)
	}
	if err != nil {
		reset(o.stream, codeDone)
		o.seat.end(false)
		return nil, fmt.Errorf("client %v: %w", o.conn.remote, err)
	}
	o.conn.guest.settle()
	return newStreamConn(o.conn, o.stream), nil
}

// proven returns once the handshake is complete. Until then, what came as early data
// may be a recording that somebody else plays back.
func (c *connection) proven(ctx context.Context) error {
	select {
	case <-c.HandshakeComplete():
		return nil
	case <-c.Context().Done():
		return context.Cause(c.Context())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Refuse implements [poolkit.Offer].
func (o *offer) Refuse() {
	reset(o.stream, codeRefused)
	o.seat.end(false)
}
