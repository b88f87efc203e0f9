package quic

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/backends/internal/compat"
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
	shared *compat.Pool[*StreamConn]
	maxCap int
}

// NewClientPool returns a pool that dials. It does nothing before
// [Pool.ClientManager] is called.
//
//   - minCap and maxCap bound the number of idle streams the pool keeps. Inverted
//     bounds are swapped, non-positive ones are 1. Streams that are held do not
//     count: they are replaced, on further connections when all places of the
//     documented ones are held.
//   - minIvl and maxIvl bound the interval between regular rounds, which is short while
//     streams are taken and long in quiet. Demand never waits for a round: the number
//     follows it at once, by what a wait is worth ([sizing.Ladder]). Inverted bounds are
//     swapped, non-positive ones are 1 s.
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
	minCap, maxCap = compat.Ordered(minCap, maxCap, 1)
	minIvl, maxIvl = compat.Ordered(minIvl, maxIvl, time.Second)
	return newPool(minCap, maxCap, minIvl, func(hooks poolkit.Hooks) (*poolkit.Pool[*StreamConn], error) {
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
		policy := &sizing.Ladder{MinInterval: minIvl, MaxInterval: maxIvl}
		return poolkit.New(d.poolConfig(minCap, maxCap, policy, hooks))
	})
}

// NewServerPool returns a pool of the streams that clients open. It does nothing
// before [Pool.ServerManager] is called, and is nil for an empty listenAddr.
//
//   - maxCap is the number of idle streams that the clients are expected to keep. It
//     refuses nobody: a stream that is idle here may be in use over there. A
//     connection has 128 streams at most.
//   - clientIP is a comma-separated list of the IP addresses and prefixes that may
//     connect; empty means all. A connection that moves to any other address is closed.
//   - tlsConfig holds the certificate; the protocol is np-quic, whatever it names.
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
	maxCap, _ = compat.Ordered(maxCap, maxCap, 1)
	return newPool(maxCap, maxCap, time.Second, func(hooks poolkit.Hooks) (*poolkit.Pool[*StreamConn], error) {
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
		cfg := a.poolConfig(maxCap, hooks)
		cfg.FirstID = &poolkit.ID{}
		return poolkit.New(cfg)
	})
}

func newPool(minCap, maxCap int, minIvl time.Duration, open func(poolkit.Hooks) (*poolkit.Pool[*StreamConn], error)) *Pool {
	return &Pool{
		maxCap: maxCap,
		shared: compat.New(compat.Config[*StreamConn]{
			Backend:  "quic",
			Members:  "streams",
			Capacity: minCap,
			Interval: minIvl,
			Open:     open,
		}),
	}
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

// ClientManager starts a pool of [NewClientPool]. It returns at once, and works when
// called with go as well. Further calls do nothing.
func (p *Pool) ClientManager() { p.shared.Start() }

// ServerManager starts a pool of [NewServerPool]. It returns at once, and works when
// called with go as well. Further calls do nothing.
func (p *Pool) ServerManager() { p.shared.Start() }

// OutgoingGet returns the stream with the given ID, eight hexadecimal digits. If it
// is not here yet, OutgoingGet waits until it arrives: for as long as timeout, and
// not a moment longer. The stream is a [*StreamConn]; [StreamConn.Close] gives its
// place back.
//
// Errors: [poolkit.ErrLost] at once if the stream was here and has just ended; the
// timeout, which is [context.DeadlineExceeded] and has Timeout();
// [net.ErrClosed] once the pool is closed; and at once whatever keeps the pool from
// having streams at all, such as a rejected certificate.
func (p *Pool) OutgoingGet(id string, timeout time.Duration) (net.Conn, error) {
	return p.shared.OutgoingGet(id, timeout)
}

// IncomingGet returns any idle stream and its ID, by which the other end finds it.
// If none is idle, IncomingGet waits until one arrives, for as long as timeout. Its
// errors are those of [Pool.OutgoingGet].
func (p *Pool) IncomingGet(timeout time.Duration) (string, net.Conn, error) {
	return p.shared.IncomingGet(timeout)
}

// Active returns the number of idle streams.
func (p *Pool) Active() int { return p.shared.Active() }

// Capacity returns the number of idle streams that the pool keeps now.
func (p *Pool) Capacity() int { return p.shared.Capacity() }

// Interval returns the time between two regular rounds, as it is now.
func (p *Pool) Interval() time.Duration { return p.shared.Interval() }

// ShardCount returns the documented number of shards for the pool's maxCap. When
// streams are held, more connections than these may be open.
func (p *Pool) ShardCount() int { return sharding.Count(p.maxCap, places, maxShards) }

// Ready reports whether the pool has been made and not closed yet. It does not say
// that a stream is idle: that is Active() > 0.
func (p *Pool) Ready() bool { return p != nil && p.shared.Ready() }

// AddError counts an error of the user's.
func (p *Pool) AddError() { p.shared.AddError() }

// ErrorCount returns how many errors the user has counted. The pool's own failures
// are not among them.
func (p *Pool) ErrorCount() int { return p.shared.ErrorCount() }

// ResetError sets the count to zero.
func (p *Pool) ResetError() { p.shared.ResetError() }

// Flush closes all idle streams. Those in use are not touched; both ends fill again
// at once.
func (p *Pool) Flush() { p.shared.Flush() }

// Close closes the pool: getters that wait fail at once, every stream and
// connection is closed, and the port is free when it returns. Closing again, and
// closing a nil Pool, do nothing.
func (p *Pool) Close() {
	if p != nil {
		p.shared.Close()
	}
}
