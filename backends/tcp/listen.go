package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// ListenConfig says how a pool listens. Only Addr or Listener is required.
type ListenConfig struct {
	// Addr is the TCP address to listen on, host:port.
	Addr string

	// Listener, if set, is used instead, and belongs to the pool then, which closes it: a
	// wait for the next connection ends in no other way. Its connections should show
	// their socket, as those of package net do ([syscall.Conn]): idle ones whose client
	// has gone are not noticed otherwise.
	Listener net.Listener

	// TLS, if set, is the server's configuration; nil is plain TCP.
	TLS *tls.Config

	// AllowedClients is a comma-separated list of the IP addresses and prefixes that
	// may connect; empty means all. Strangers are refused before the TLS handshake.
	AllowedClients string

	// Limits bound what one client address may take; zero means the defaults, which no
	// pool comes near.
	Limits Limits

	// Refusals, if set, counts what is turned away.
	Refusals *Refusals

	// Peer, if set, names the client at the other end of a connection, for
	// [poolkit.Pool.AcquireFrom]. It is called once for each connection, after the
	// handshake, and must not block. Give the same name to all connections of a client,
	// such as what its certificate says. If it panics, the connection is ended, and
	// Hooks.Failed is told.
	//
	// By default a client is called after its IP address, without the port: each of its
	// connections has another.
	Peer func(PeerInfo) string

	// Capacity is the number of idle connections that clients are expected to keep; zero
	// means 128. Clients decide: see package poolkit on pools that accept.
	Capacity int

	// KeepAlive says how the system finds out that the other end of a silent connection
	// is gone, as that of [DialConfig] does.
	KeepAlive net.KeepAliveConfig

	// Hooks are told what happens.
	Hooks poolkit.Hooks
}

// Listen returns a running pool of the connections that pools of [DialPeer] open. Acquire
// takes one of whichever client, the longest idle first; AcquireFrom one of a certain
// client's. An address that is taken or wrong is reported at once.
//
// Leases are of single use: Release, Discard and the connection's own Close all end it.
func Listen(cfg ListenConfig) (*poolkit.Pool[*Conn], error) {
	allow, err := access.ParseAllowList(cfg.AllowedClients)
	if err != nil {
		return nil, fmt.Errorf("tcp: ListenConfig.AllowedClients: %w", err)
	}
	if err := checkServerTLS(cfg.TLS); err != nil {
		return nil, fmt.Errorf("tcp: ListenConfig.TLS: %w", err)
	}
	ln := cfg.Listener
	if ln == nil {
		if ln, err = net.Listen("tcp", cfg.Addr); err != nil {
			return nil, fmt.Errorf("tcp: listen: %w", err)
		}
	}
	capacity := cfg.Capacity
	if capacity == 0 {
		capacity = defaultCapacity
	}
	a := &acceptor{
		listener:  ln,
		tls:       cfg.TLS.Clone(),
		guard:     newGuard(allow, cfg.Limits, cfg.Refusals),
		keepAlive: (&DialConfig{KeepAlive: cfg.KeepAlive}).netDialer().KeepAliveConfig,
		name:      cfg.Peer,
	}
	return start(a.core(capacity, cfg.Hooks))
}

// defaultCapacity is that of a pool of poolkit.
const defaultCapacity = 128

// checkServerTLS reports why nobody could connect to a server with that configuration.
func checkServerTLS(conf *tls.Config) error {
	if conf != nil && len(conf.Certificates) == 0 && conf.GetCertificate == nil && conf.GetConfigForClient == nil {
		return errors.New("it has no certificate: set Certificates, GetCertificate or GetConfigForClient, or leave TLS nil for plain TCP")
	}
	return nil
}

// core returns the configuration of a pool over a. Its Closed has to be called, once.
func (a *acceptor) core(capacity int, hooks poolkit.Hooks) poolkit.Config[*Conn] {
	cfg := connections(hooks)
	meetings(&cfg)
	cfg.Acceptor = a
	cfg.DialTimeout = exchangeTimeout
	cfg.Places = math.MaxInt // the guard sees to that
	cfg.Peer = (*Conn).Peer
	cfg.MinCapacity, cfg.MaxCapacity = capacity, capacity
	cfg.Sizing = sizing.Fixed(capacity)
	a.lookout = hire()
	cfg.Closed = func() error {
		defer dismiss()
		return a.close()
	}
	return cfg
}
