package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sharding"
	"github.com/vistone/poolkit/sizing"
)

// Pool is a pool of the compatibility API, made by [NewClientPool] or
// [NewServerPool]. Any goroutine may call its methods at any time; on a nil Pool,
// Close does nothing.
//
// Both ends may call both getters. When both take any stream in the same instant,
// the server takes the longest idle and the client the youngest, so that they do not
// take the same, as long as more are idle than one end takes while the other has yet
// to hear of it.
type Pool struct {
	// Set by the constructor.
	minCap, maxCap int
	minIvl         time.Duration
	open           func() (*poolkit.Pool[*StreamConn], error) // starts the core; permanent errors are not tried again

	core     atomic.Pointer[poolkit.Pool[*StreamConn]] // nil until the manager has opened it; set under mu
	errors   atomic.Int64                              // what the user has counted
	timeouts sync.Pool                                 // of *timeout, none running or expired

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	opening sync.WaitGroup // what opens the core

	mu      sync.Mutex
	started bool          // guarded by mu, as is the rest: a manager was called
	closed  bool          //
	err     error         // why it could not be opened, if so
	changed chan struct{} // closed and replaced when core, err or closed changes
	logged  string        // the permanent error that was logged last
}

// NewClientPool returns a pool that dials. It does nothing before
// [Pool.ClientManager] is called.
//
//   - minCap and maxCap bound the number of idle streams the pool keeps. Inverted
//     bounds are swapped, non-positive ones are 1. Streams that are held do not
//     count: they are replaced, on further connections when all places of the
//     documented ones are held.
//   - minIvl and maxIvl bound the interval between regular rounds, in which that
//     number is adapted. Demand never waits for a round. Inverted bounds are swapped,
//     non-positive ones are 1 s.
//   - keepAlive is the period of pings on a connection that is otherwise silent;
//     non-positive means 10 s.
//   - tlsCode says how the server is verified: "0" not at all, "1" not at all, meant
//     for self-signed certificates, "2" by the system's authorities and hostname.
//     Any other code makes every getter fail. hostname is sent as the server name
//     in all of them.
//   - addrResolver returns the server's address, host:port, for each connection.
//     Close does not wait for it.
func NewClientPool(
	minCap, maxCap int,
	minIvl, maxIvl time.Duration,
	keepAlive time.Duration,
	tlsCode string,
	hostname string,
	addrResolver func() (string, error),
) *Pool {
	return newClientPool(minCap, maxCap, minIvl, maxIvl, keepAlive, tlsCode, hostname, addrResolver, nil)
}

func newClientPool(
	minCap, maxCap int,
	minIvl, maxIvl time.Duration,
	keepAlive time.Duration,
	tlsCode string,
	hostname string,
	addrResolver func() (string, error),
	socket net.PacketConn,
) *Pool {
	minCap, maxCap = ordered(minCap, maxCap, 1)
	minIvl, maxIvl = ordered(minIvl, maxIvl, time.Second)
	p := newPool(minCap, maxCap, minIvl)
	p.open = func() (*poolkit.Pool[*StreamConn], error) {
		tlsConf, err := clientTLS(tlsCode, hostname)
		if err != nil {
			return nil, poolkit.Permanent(err)
		}
		if addrResolver == nil {
			return nil, poolkit.Permanent(errors.New("the address resolver is nil: pass a function that returns host:port"))
		}
		d := newDialer(
			hasty(addrResolver),
			tlsConf, clientSettings(keepAlive), socket)
		d.partings = &alarms{delay: patience}
		policy := &sizing.Stepwise{MinInterval: minIvl, MaxInterval: maxIvl}
		return poolkit.New(d.poolConfig(minCap, maxCap, policy, p.hooks()))
	}
	return p
}

// NewServerPool returns a pool of the streams that clients open. It does nothing
// before [Pool.ServerManager] is called, and is nil for an empty listenAddr.
//
//   - maxCap is the number of idle streams that the clients are expected to keep. It
//     refuses nobody: a stream that is idle here may be in use over there. A
//     connection has 128 streams at most.
//   - clientIP is a comma-separated list of the IP addresses and prefixes that may
//     connect; empty means all. A connection that moves to any other address is closed.
//   - tlsConfig holds the certificate; np-quic is added to its protocols.
//   - listenAddr is the UDP address, host:port.
//   - keepAlive is ignored: clients keep connections alive.
//
// What one client may take is bounded by the default [Limits].
//
// The first stream of the pool's life, and no other, has the ID 00000000.
func NewServerPool(
	maxCap int,
	clientIP string,
	tlsConfig *tls.Config,
	listenAddr string,
	keepAlive time.Duration,
) *Pool {
	if listenAddr == "" {
		return nil
	}
	return newServerPool(maxCap, clientIP, tlsConfig, listenAddr, nil)
}

func newServerPool(maxCap int, clientIP string, tlsConfig *tls.Config, listenAddr string, socket net.PacketConn) *Pool {
	if maxCap <= 0 {
		maxCap = 1
	}
	p := newPool(maxCap, maxCap, time.Second)
	p.open = func() (*poolkit.Pool[*StreamConn], error) {
		allow, err := access.ParseAllowList(clientIP)
		if err != nil {
			return nil, poolkit.Permanent(err)
		}
		if err := checkTLS(tlsConfig); err != nil {
			return nil, poolkit.Permanent(err)
		}
		if socket == nil {
			if err := checkAddress(listenAddr); err != nil {
				return nil, poolkit.Permanent(err)
			}
		}
		a, err := listen(acceptorConfig{
			addr: listenAddr, socket: socket,
			tls: tlsConfig, allow: allow, partings: &alarms{delay: patience},
		})
		if err != nil {
			return nil, err
		}
		cfg := a.poolConfig(maxCap, p.hooks())
		cfg.FirstID = &poolkit.ID{}
		return poolkit.New(cfg)
	}
	return p
}

func newPool(minCap, maxCap int, minIvl time.Duration) *Pool {
	p := &Pool{
		minCap:  minCap,
		maxCap:  maxCap,
		minIvl:  minIvl,
		changed: make(chan struct{}),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// ordered makes bounds of two numbers: non-positive ones become def.
func ordered[T int | time.Duration](a, b, def T) (low, high T) {
	if a <= 0 {
		a = def
	}
	if b <= 0 {
		b = def
	}
	return min(a, b), max(a, b)
}

// clientTLS is the configuration of a TLS code.
func clientTLS(code, hostname string) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: hostname}
	switch code {
	case "0", "1":
		conf.InsecureSkipVerify = true // what the codes are documented to mean
	case "2":
		if hostname == "" {
			return nil, errors.New(`TLS code "2" verifies the host name, and that is empty: set it to the one in the server's certificate`)
		}
	default:
		return nil, fmt.Errorf(`TLS code %q is none of "0" (no verification), "1" (self-signed) and "2" (verified)`, code)
	}
	return conf, nil
}

// hooks log a permanent error of the core once, until another comes.
func (p *Pool) hooks() poolkit.Hooks {
	return poolkit.Hooks{Failed: func(_ int, err error) {
		if poolkit.IsPermanent(err) {
			p.log(err)
		}
	}}
}

func (p *Pool) log(err error) {
	p.mu.Lock()
	again := p.logged == err.Error()
	p.logged = err.Error()
	p.mu.Unlock()
	if !again {
		slog.Error("quic pool: no streams", "error", err)
	}
}

// Active returns the number of idle streams.
func (p *Pool) Active() int {
	if core := p.running(); core != nil {
		return core.Stats().Idle
	}
	return 0
}

// Capacity returns the number of idle streams that the pool keeps now.
func (p *Pool) Capacity() int {
	if core := p.running(); core != nil {
		return core.Stats().Capacity
	}
	return p.minCap
}

// Interval returns the time between two regular rounds, as it is now.
func (p *Pool) Interval() time.Duration {
	if core := p.running(); core != nil {
		return core.Stats().Interval
	}
	return p.minIvl
}

// ShardCount returns the documented number of shards for the pool's maxCap. When
// streams are held, more connections than these may be open.
func (p *Pool) ShardCount() int { return sharding.Count(p.maxCap, places, maxShards) }

// Ready reports whether the pool has been made and not closed yet. It does not say
// that a stream is idle: that is Active() > 0.
func (p *Pool) Ready() bool { return p != nil && p.ctx.Err() == nil }

// AddError counts an error of the user's.
func (p *Pool) AddError() { p.errors.Add(1) }

// ErrorCount returns how many errors the user has counted. The pool's own failures
// are not among them.
func (p *Pool) ErrorCount() int { return int(p.errors.Load()) }

// ResetError sets the count to zero.
func (p *Pool) ResetError() { p.errors.Store(0) }

// Flush closes all idle streams. Those in use are not touched; both ends fill again
// at once.
func (p *Pool) Flush() {
	if core := p.running(); core != nil {
		core.Flush()
	}
}
