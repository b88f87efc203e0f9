package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// DialConfig says how a pool dials. Only Addr or Resolve, and TLS or Trust, are
// required.
type DialConfig struct {
	// Addr is the server's address, host:port, or those of several servers that offer
	// the same, with commas between. Connections are spread evenly over the servers. A
	// server that fails gets no new ones for a second, and longer each time that it
	// fails again, up to a minute; its share comes back to it then. Addresses are
	// looked up anew for every connection.
	Addr string

	// Resolve, if set, is asked for the addresses instead, for every connection. Each
	// is host:port.
	Resolve func(context.Context) ([]string, error)

	// TLS is the client's configuration. Where it names no server, the host of the
	// address is used. Its NextProtos do not count: the protocol is np-quic.
	TLS *tls.Config

	// Trust, if set, takes the place of certificate authorities, for servers with
	// self-signed certificates: trust.Pins, or trust.OnFirstUse. It knows a server by
	// TLS.ServerName where that is set, else by the address, host:port. Where TLS has
	// RootCAs, those must be content too: see trust.Config.
	//
	// A server that is not trusted is a permanent error, a [*trust.MismatchError].
	Trust trust.Policy

	// Connections is over how many connections streams are spread evenly before further
	// ones are opened; zero is one for each server of Addr. Several pay on a path that
	// loses packets, since each slows down for its own losses only.
	Connections int

	// MaxAge is how long a connection is used before it is replaced by a new one, to
	// what its address means then; zero is for ever. Nobody notices: the new connection
	// is there before the streams of the old one leave the pool, a few at a time, and
	// those in use go on to their end. Each takes up to a tenth less, so that they do
	// not all do it at once.
	MaxAge time.Duration

	// EarlyData makes connections after the first ask for their streams with the first
	// packet (QUIC's 0-RTT): they are ready one round trip later instead of two, if the
	// server has its EarlyData set and remembers the session. It does so across restarts
	// if it has a Secret. Only that question is sent early, never what users write.
	EarlyData bool

	// MinCapacity and MaxCapacity bound the number of idle streams; both zero means 1
	// and 128.
	MinCapacity, MaxCapacity int

	// Sizing moves that number; nil is the pool's default.
	Sizing sizing.Policy

	// FailFast has Acquire return why a stream could not be made, at once, instead of waiting
	// for the next attempt: see [poolkit.Config.FailFast].
	FailFast bool

	// KeepAlive is the period of pings on a connection that is otherwise silent;
	// default 10 s.
	KeepAlive time.Duration

	// MemoryBudget bounds the bytes that the servers may send before somebody reads
	// them, over all connections: to that many, and 1.5 MiB more for each connection.
	// Zero means 1 GiB; the least is 16 MiB. It is promised to peers, not allocated.
	// Connections get less of it the more there are, and streams are slower for it: of
	// 1 GiB the first may use 96 MiB, those past the sixtieth hardly more than 1.5 MiB
	// until others have ended.
	//
	// What it counts is data. A byte takes 1.4 bytes of memory on the way from an
	// ordinary peer, and up to 170 from a hostile one that sends each alone.
	MemoryBudget int64

	// PacketConn, if set, is the socket of all connections. The pool does not close
	// it.
	PacketConn net.PacketConn

	// Sockets, if set, delivers a new socket whenever the client's network has changed;
	// nil stands for one that the pool opens itself. All connections move there with
	// their streams, as soon as the server has answered, and those that cannot are
	// renewed (connection migration, RFC 9000, section 9). The pool closes no socket that
	// it was given, and earlier ones have to stay open until it is closed. A pool that
	// opens its own socket follows most changes of the network without this, since that
	// socket is bound to no interface.
	Sockets <-chan net.PacketConn

	// Hooks are told what happens.
	Hooks poolkit.Hooks
}

// Dial returns a running pool of streams to one server, on up to 64 connections of
// 128 streams each. It does not wait for the server: see [poolkit.Pool.WaitReady].
//
// Acquire hands out the youngest stream, while a pool of [Listen] hands out the
// oldest, so that two ends that both take any stream do not take the same. With
// several servers it hands out the oldest, so that all are used.
// Leases are of single use: Release, Discard and the stream's own Close all end it.
func Dial(cfg DialConfig) (*poolkit.Pool[*StreamConn], error) {
	if err := cfg.verification(); err != nil {
		return nil, err
	}
	if cfg.TLS == nil {
		cfg.TLS = new(tls.Config)
	}
	resolve, servers, err := cfg.resolver()
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.MaxAge < 0:
		return nil, fmt.Errorf("quic: DialConfig.MaxAge is negative (%v): zero is for ever", cfg.MaxAge)
	case cfg.Connections < 0 || cfg.Connections > maxShards:
		return nil, fmt.Errorf("quic: DialConfig.Connections is %d: a pool has up to %d", cfg.Connections, maxShards)
	}
	if err := checkBudget(cfg.MemoryBudget); err != nil {
		return nil, fmt.Errorf("quic: DialConfig.MemoryBudget: %w", err)
	}
	d := newDialer(resolve, cfg.TLS, clientSettings(cfg.KeepAlive), cfg.PacketConn)
	d.trust = cfg.Trust
	d.budget = newBudget(cfg.MemoryBudget)
	d.early = cfg.EarlyData
	d.maxAge = cfg.MaxAge
	if cfg.Sockets != nil {
		d.work.Go(func() { d.follow(cfg.Sockets) })
	}
	core := d.poolConfig(cfg.MinCapacity, cfg.MaxCapacity, cfg.Sizing, cfg.Hooks)
	d.spread = min(max(cfg.Connections, servers), maxShards)
	core.Spread = d.spread
	core.NewestFirst = servers == 1
	core.FailFast = cfg.FailFast
	p, err := poolkit.New(core)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return p, nil
}

// verification returns an error if it is unclear how to verify servers.
func (cfg *DialConfig) verification() error {
	if cfg.Trust == nil {
		if cfg.TLS == nil {
			return errors.New("quic: DialConfig.TLS is nil: set it, or Trust, to say how to verify the server")
		}
		return nil
	}
	if err := trust.Validate(cfg.Trust); err != nil {
		return fmt.Errorf("quic: DialConfig.Trust: %w", err)
	}
	return nil
}

// resolver returns what finds the servers, and how many there are as far as is known.
func (cfg *DialConfig) resolver() (r resolver, servers int, err error) {
	if cfg.Resolve != nil {
		return cfg.Resolve, 1, nil
	}
	addrs := strings.Split(cfg.Addr, ",")
	for i, addr := range addrs {
		addrs[i] = strings.TrimSpace(addr)
		if _, _, err := net.SplitHostPort(addrs[i]); err != nil {
			return nil, 0, fmt.Errorf("quic: DialConfig.Addr must be host:port, or several with commas between: %w", err)
		}
	}
	return fixed(addrs...), len(addrs), nil
}

// ListenConfig says how a pool listens. Only Addr or PacketConn, and TLS, are
// required.
type ListenConfig struct {
	// Addr is the UDP address to listen on, host:port.
	Addr string

	// PacketConn, if set, is the socket to use instead. The pool does not close it.
	PacketConn net.PacketConn

	// TLS is the server's configuration. Its NextProtos do not count, nor those of what
	// its GetConfigForClient returns: the protocol is np-quic.
	TLS *tls.Config

	// AllowedClients is a comma-separated list of the IP addresses and prefixes that
	// may connect; empty means all, and ::/0 is about IPv6 alone. Strangers are refused
	// before the TLS handshake. A connection that moves to any other address is closed
	// within a second, and none of its streams is handed out.
	AllowedClients string

	// Limits bound what one client address may take; zero means the defaults, which no
	// pool comes near.
	Limits Limits

	// Refusals, if set, counts what is turned away.
	Refusals *Refusals

	// Secret, if set, is 16 or more bytes of crypto/rand that stay the same when the
	// server is restarted. Clients then notice a restart as soon as they next send
	// anything, in five seconds at the latest, and resume their TLS sessions. Without
	// it they notice when the server has been silent for too long. Whoever knows the
	// secret can end connections and read resumed sessions: keep it like a private key.
	Secret []byte

	// EarlyData lets clients that have connected before ask for streams with their
	// first packet, which saves a round trip (QUIC's 0-RTT). Early data can be recorded
	// and sent again, so a stream is nobody's until the handshake has proven who is
	// there. A client certificate is then that of the session that is resumed: to
	// refuse one since revoked, use VerifyConnection.
	EarlyData bool

	// MemoryBudget bounds the bytes that clients may send before somebody reads them, as
	// that of [DialConfig] does. With EarlyData the connections begin alike, with a 72nd
	// part of it each: a client's early data is refused when there is less for it than it
	// remembers.
	MemoryBudget int64

	// Peer, if set, names the client at the other end of a connection, for
	// [poolkit.Pool.AcquireFrom]. It is called once for each connection, after the
	// handshake and before the first of its streams is idle, and must not block. Give
	// the same name to all connections of a client, such as what its certificate says.
	// If it panics, the connection's streams are ended, and Hooks.Failed is told.
	//
	// By default a client is called after its address, host:port, as of the handshake:
	// the connections of a pool of [Dial] share one socket. Behind a NAT this holds until
	// the NAT forgets the socket. Then the connections go on under their name, while new
	// ones of the same client have another.
	Peer func(PeerInfo) string

	// Capacity is the number of idle streams that clients are expected to keep; zero
	// means 128. Clients decide: see package poolkit on pools that accept.
	Capacity int

	// Hooks are told what happens.
	Hooks poolkit.Hooks
}

// Listen returns a running pool of the streams that clients open. Acquire takes a
// stream of whichever client, AcquireFrom one of a certain client. An address that is
// taken or wrong is reported at once.
func Listen(cfg ListenConfig) (*poolkit.Pool[*StreamConn], error) {
	allow, err := access.ParseAllowList(cfg.AllowedClients)
	if err != nil {
		return nil, fmt.Errorf("quic: ListenConfig.AllowedClients: %w", err)
	}
	var k *keys
	if len(cfg.Secret) > 0 {
		if k, err = deriveKeys(cfg.Secret); err != nil {
			return nil, fmt.Errorf("quic: ListenConfig.Secret: %w", err)
		}
	}
	if err := checkBudget(cfg.MemoryBudget); err != nil {
		return nil, fmt.Errorf("quic: ListenConfig.MemoryBudget: %w", err)
	}
	a, err := listen(acceptorConfig{
		addr: cfg.Addr, socket: cfg.PacketConn,
		tls: cfg.TLS, allow: allow, limits: cfg.Limits, count: cfg.Refusals, keys: k, early: cfg.EarlyData, name: cfg.Peer, memory: cfg.MemoryBudget,
	})
	if err != nil {
		return nil, fmt.Errorf("quic: %w", err)
	}
	capacity := cfg.Capacity
	if capacity == 0 {
		capacity = places
	}
	conf := a.poolConfig(capacity, cfg.Hooks)
	conf.Peer = (*StreamConn).Peer
	p, err := poolkit.New(conf)
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return p, nil
}

// poolConfig is the configuration of a pool over d.
func (d *dialer) poolConfig(minCapacity, maxCapacity int, policy sizing.Policy, hooks poolkit.Hooks) poolkit.Config[*StreamConn] {
	cfg := streams(hooks)
	cfg.Dialer = d
	cfg.NewestFirst = true
	cfg.MinCapacity, cfg.MaxCapacity = min(minCapacity, places*maxShards), min(maxCapacity, places*maxShards)
	cfg.Sizing = policy
	cfg.MaxShards = maxShards
	cfg.MaxDialing = places * maxShards // a stream costs no handshake; connections are bounded by settingUp
	cfg.Announce, cfg.Linger, cfg.Closed = d.announce, d.linger, d.close
	return cfg
}

// poolConfig is the configuration of a pool over a.
func (a *acceptor) poolConfig(capacity int, hooks poolkit.Hooks) poolkit.Config[*StreamConn] {
	cfg := streams(hooks)
	cfg.Acceptor = a
	capacity = min(capacity, places*maxPeers)
	cfg.MinCapacity, cfg.MaxCapacity = capacity, capacity
	cfg.Sizing = sizing.Fixed(capacity)
	cfg.MaxShards = maxPeers
	cfg.Announce, cfg.Linger, cfg.Closed = a.announce, a.linger, a.close
	return cfg
}

// streams is what the pools of both ends have in common.
func streams(hooks poolkit.Hooks) poolkit.Config[*StreamConn] {
	return poolkit.Config[*StreamConn]{
		Shut:      (*StreamConn).end,
		Watch:     watch,
		Healthy:   healthy,
		Dead:      func(s *StreamConn) bool { return !healthy(s) },
		Lent:      (*StreamConn).lent,
		SingleUse: true,
		Sequence:  (*StreamConn).number,

		DialTimeout: poolkit.NoTimeout, // exchanges have their own
		Places:      places,
		Hooks:       hooks,
	}
}
