package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// DialConfig says how a pool dials. Only Addr or Resolve is required.
type DialConfig struct {
	// Addr is the server's address, host:port, or those of several servers that offer
	// the same, with commas between. Connections are spread evenly over the servers.
	// Names are looked up anew for every connection, and where one has several addresses
	// those of IPv6 and IPv4 race (RFC 8305, by [net.Dialer]).
	//
	// A server that fails gets no new connections for a second, and longer each time that
	// it fails again, up to a minute; the others get them at once, by the same dial. Then
	// one dial tries it again. The same holds for each address of a name.
	Addr string

	// Resolve, if set, is asked for the addresses instead, for every connection. Each
	// is host:port.
	Resolve func(context.Context) ([]string, error)

	// TLS is the client's configuration; nil means plain TCP, unless Trust is set. Where
	// it names no server, the host of the address is used. Where it has no
	// ClientSessionCache it gets one, so that new connections resume the sessions of
	// earlier ones.
	TLS *tls.Config

	// Trust, if set, takes the place of certificate authorities, for servers with
	// self-signed certificates: trust.Pins, or trust.OnFirstUse. It knows a server by
	// TLS.ServerName where that is set, else by the address, host:port. Where TLS has
	// RootCAs, those must be content too: see trust.Config.
	//
	// A server that is not trusted is a permanent error, a [*trust.MismatchError].
	Trust trust.Policy

	// DialContext, if set, opens the connections, through a proxy for example. It is given
	// "tcp" and an address of Addr, whose name it looks up itself. If what it returns has
	// no SyscallConn method, that is no socket, an idle connection that ends is noticed
	// when it is next used: set Probe.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Prepare, if set, is called once for each new connection, after the TLS handshake: to
	// authenticate, or to select a database. Until it returns nobody else has the
	// connection. Its reads and writes end with ctx, which is bounded by DialTimeout. It
	// has to read all that the server answers. An error ends the connection, and counts as
	// a failure of the server; mark one that waiting will not cure with
	// [poolkit.Permanent], such as a wrong password.
	Prepare func(ctx context.Context, c *Conn) error

	// MinCapacity and MaxCapacity bound the number of idle connections; both zero means 1
	// and 128. MaxOpen bounds all connections, those on loan and on their way included;
	// zero means 1024, or twice MaxCapacity if that is more. Whoever would need one more
	// waits.
	MinCapacity, MaxCapacity, MaxOpen int

	// Sizing moves the number of idle connections; nil is the pool's default.
	Sizing sizing.Policy

	// FailFast has Acquire return why a connection could not be made, at once, instead of
	// waiting for the next attempt: see [poolkit.Config.FailFast].
	FailFast bool

	// MaxDialing is the number of dials under way at once; default 32.
	MaxDialing int

	// DialTimeout bounds one dial, from the name to the end of Prepare; default 10 s. Of
	// several servers each that has its turn gets an equal share of what is left.
	DialTimeout time.Duration

	// MaxAge is how long a connection is used before it is replaced by a new one, to what
	// the address means then; zero is for ever. The new one comes first, one in use goes
	// when it is released, and connections that were made together are replaced one after
	// the other.
	MaxAge time.Duration

	// MaxIdle is how long a connection stands unused before it is replaced; zero is for
	// ever. Where the server, or a middlebox on the way, closes connections that are
	// silent for a while, set it to less than that.
	MaxIdle time.Duration

	// MaxUses is how many leases a connection serves before it is ended; zero is no limit.
	MaxUses int

	// Probe, if set, asks the server over an idle connection whether all is well, such as
	// with PING, every ProbeInterval; default 30 s. Meanwhile nobody is lent the
	// connection. It finds what no look at the socket can: a server that has stopped, or
	// that a connection through a proxy has ended. Its reads and writes end with ctx, after
	// ProbeTimeout, by default 5 s. It has to read all that the server answers. An error
	// ends the connection.
	Probe                       func(ctx context.Context, c *Conn) error
	ProbeInterval, ProbeTimeout time.Duration

	// KeepAlive says how the system finds out that the other end of a silent connection
	// is gone. The zero value means after 15 s of silence, by 3 probes 5 s apart: a dead
	// host is noticed within 30 s, and no middlebox that forgets connections after a
	// minute or more, as all should (RFC 5382 asks for two hours), forgets ours. To leave
	// probes out set Idle to -1. It is not for connections of DialContext.
	KeepAlive net.KeepAliveConfig

	// SingleUse says that a connection serves one lease: Release then ends it.
	SingleUse bool

	// Hooks are told what happens.
	Hooks poolkit.Hooks
}

// Dial returns a running pool of connections to one server, or to several that offer
// the same. It does not wait for them: see [poolkit.Pool.WaitReady].
//
// Acquire hands out the connection that was used last, so that those in use stay warm
// and surplus ones age; with several servers it hands out the one that has been idle
// longest, so that all are used. Release gives a connection back: see [Conn] for when
// it is used again.
func Dial(cfg DialConfig) (*poolkit.Pool[*Conn], error) {
	d, servers, err := cfg.dialer()
	if err != nil {
		return nil, err
	}
	core := cfg.core(d)
	core.NewestFirst = servers == 1
	return start(core)
}

// core returns the configuration of a pool over d. Its Closed has to be called, once.
func (cfg *DialConfig) core(d *dialer) poolkit.Config[*Conn] {
	d.lookout = hire()
	core := connections(cfg.Hooks)
	core.Dialer = d
	core.SingleUse = cfg.SingleUse
	core.MaxAge, core.MaxIdle, core.MaxUses = cfg.MaxAge, cfg.MaxIdle, cfg.MaxUses
	core.CheckInterval, core.CheckTimeout = cfg.ProbeInterval, cfg.ProbeTimeout
	if cfg.Probe != nil {
		core.Check = prober(cfg.Probe)
	}
	core.MinCapacity, core.MaxCapacity, core.Places = cfg.bounds()
	core.MaxShards = 1
	core.Sizing = cfg.Sizing
	core.FailFast = cfg.FailFast
	core.MaxDialing = cfg.MaxDialing
	core.DialTimeout = cfg.DialTimeout
	core.Closed = func() error {
		dismiss()
		return nil
	}
	return core
}

// dialer returns what dials, and how many servers there are as far as is known.
func (cfg *DialConfig) dialer() (d *dialer, servers int, err error) {
	d = &dialer{dial: cfg.DialContext, prepare: cfg.Prepare, trust: cfg.Trust, addresses: newAddresses()}
	if d.resolve, servers, err = cfg.resolver(); err != nil {
		return nil, 0, err
	}
	if cfg.Trust != nil {
		if err := trust.Validate(cfg.Trust); err != nil {
			return nil, 0, fmt.Errorf("tcp: DialConfig.Trust: %w", err)
		}
	}
	if cfg.TLS != nil && cfg.TLS.Renegotiation != tls.RenegotiateNever {
		return nil, 0, errors.New("tcp: DialConfig.TLS allows renegotiation: idle connections cannot renegotiate, leave it out")
	}
	if cfg.TLS != nil || cfg.Trust != nil {
		d.tls = cfg.TLS.Clone()
		if d.tls == nil {
			d.tls = new(tls.Config)
		}
		if d.tls.ClientSessionCache == nil {
			d.sessions = newSessions()
		}
	}
	if cfg.Probe == nil && (cfg.ProbeInterval != 0 || cfg.ProbeTimeout != 0) {
		return nil, 0, errors.New("tcp: DialConfig has ProbeInterval or ProbeTimeout, but no Probe: set it")
	}
	if cfg.ProbeInterval < 0 || cfg.ProbeTimeout < 0 {
		return nil, 0, fmt.Errorf("tcp: DialConfig.ProbeInterval (%v) or ProbeTimeout (%v) is negative", cfg.ProbeInterval, cfg.ProbeTimeout)
	}
	if cfg.DialTimeout < 0 {
		return nil, 0, fmt.Errorf("tcp: DialConfig.DialTimeout is negative (%v): zero means 10 s", cfg.DialTimeout)
	}
	if cfg.MaxOpen < 0 || cfg.MaxOpen > 0 && cfg.MaxOpen < cfg.MinCapacity {
		return nil, 0, fmt.Errorf("tcp: DialConfig.MaxOpen is %d: it must be at least MinCapacity, %d", cfg.MaxOpen, cfg.MinCapacity)
	}
	d.net = cfg.netDialer()
	return d, servers, nil
}

// netDialer returns a dialer of package net.
func (cfg *DialConfig) netDialer() net.Dialer {
	probes := cfg.KeepAlive
	switch {
	case probes == net.KeepAliveConfig{}:
		probes = defaultKeepAlive
	case !probes.Enable:
		return net.Dialer{KeepAlive: -1}
	}
	return net.Dialer{KeepAliveConfig: probes}
}

// resolver returns what finds the servers, and how many there are as far as is known.
func (cfg *DialConfig) resolver() (resolve func(context.Context) ([]string, error), servers int, err error) {
	switch {
	case cfg.Resolve != nil && cfg.Addr != "":
		return nil, 0, errors.New("tcp: DialConfig has both Addr and Resolve: set one of them")
	case cfg.Resolve != nil:
		return cfg.Resolve, 1, nil
	case cfg.Addr == "":
		return nil, 0, errors.New("tcp: DialConfig.Addr is empty: set it, or Resolve, to say what to connect to")
	}
	addrs := strings.Split(cfg.Addr, ",")
	for i, addr := range addrs {
		addrs[i] = strings.TrimSpace(addr)
		if err := checkAddress(addrs[i]); err != nil {
			return nil, 0, fmt.Errorf("tcp: DialConfig.Addr: %w", err)
		}
	}
	return func(context.Context) ([]string, error) { return addrs, nil }, len(addrs), nil
}

// checkAddress reports what is wrong with the address of a server.
func checkAddress(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("the server's address must be host:port: %w", err)
	}
	if host == "" {
		return fmt.Errorf("the server's address %q has no host", addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		n, err = net.LookupPort("tcp", port)
	}
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("the server's address %q has no port: use one from 1 to 65535, or the name of a service", addr)
	}
	return nil
}

// The bounds of a pool.
const (
	capacityMost = 128  // default of MaxCapacity
	openMost     = 1024 // default of MaxOpen
)

// bounds returns how many connections there may be, idle and in all.
func (cfg *DialConfig) bounds() (least, most, open int) {
	least, most, open = cfg.MinCapacity, cfg.MaxCapacity, cfg.MaxOpen
	if least == 0 && most == 0 {
		least, most = 1, capacityMost
	}
	if open == 0 {
		open = max(openMost, 2*most, 2*least)
	}
	return min(least, open), min(most, open), open
}
