package tcp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/backends/internal/compat"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// Pool is a pool of the compatibility API, made by [NewClientPool] or
// [NewServerPool]. Any goroutine may call its methods at any time; on a nil Pool,
// Close does nothing. It has the methods of the Pool of package quic.
//
// Both ends may call both getters. When both take any connection in the same instant,
// the server takes the longest idle and the client the youngest, so that they do not
// take the same, as long as more are idle than one end takes while the other has yet
// to hear of it.
//
// The connections are [*Conn]. Their Close says that writing has finished, and lets
// reading go on until the peer has finished too. A connection ends, at the latest, when
// nobody has read for a second, or a reader has waited a minute for a byte; then it waits
// for the peer to take what was written, while that goes on. So the place always comes
// back, and no byte on its way is cut off. [Conn.CloseWrite] only says that writing has
// finished, and [Conn.Abort] ends both directions at once.
type Pool struct {
	shared   *compat.Pool[*Conn]
	listener net.Listener // nil in a pool that dials
}

// NewClientPool returns a pool that dials. It does nothing before
// [Pool.ClientManager] is called.
//
//   - minCap and maxCap bound the number of idle connections the pool keeps. Inverted
//     bounds are swapped, non-positive ones are 1. Connections that are held do not
//     count: they are replaced, until 8192 are open, or twice maxCap.
//   - minIvl and maxIvl bound the interval between regular rounds, which is short while
//     connections are taken and long in quiet. Demand never waits for a round: the number
//     follows it at once, by what a wait is worth ([sizing.Ladder]). Inverted bounds are
//     swapped, non-positive ones are 1 s.
//   - keepAlive is after how much silence TCP asks whether the peer is still there, which
//     is given up when it has not answered for as long again; non-positive means the
//     default of [DialConfig]. It is set on connections of package net.
//   - tlsCode is "0" for plain TCP, "1" for TLS without verification, meant for
//     self-signed certificates, "2" for TLS verified by the system's authorities and
//     hostname. Any other code makes every getter fail. hostname is sent as the server
//     name.
//   - dialer opens a connection to the server. A call that has not returned after ten
//     seconds counts as failed, and what it returns later is closed. Close does not wait
//     for it. No more than 64 calls are under way.
func NewClientPool(
	minCap, maxCap int,
	minIvl, maxIvl time.Duration,
	keepAlive time.Duration,
	tlsCode string,
	hostname string,
	dialer func() (net.Conn, error),
) *Pool {
	minCap, maxCap = compat.Ordered(minCap, maxCap, 1)
	minIvl, maxIvl = compat.Ordered(minIvl, maxIvl, time.Second)
	return newPool(minCap, minIvl, func(hooks poolkit.Hooks) (*poolkit.Pool[*Conn], error) {
		conf, err := clientTLS(tlsCode, hostname)
		if err != nil {
			return nil, poolkit.Permanent(err)
		}
		if dialer == nil {
			return nil, poolkit.Permanent(errors.New("the dialer is nil: pass a function that connects to the server"))
		}
		cfg := connections(hooks)
		meetings(&cfg)
		d := newPatient(dialer, conf, keepAliveEvery(keepAlive))
		cfg.Dialer = d
		cfg.DialTimeout = exchangeTimeout
		cfg.NewestFirst = true
		cfg.MinCapacity, cfg.MaxCapacity = minCap, maxCap
		cfg.Places = max(largest, 2*maxCap)
		cfg.Sizing = &sizing.Ladder{MinInterval: minIvl, MaxInterval: maxIvl}
		d.lookout = hire()
		cfg.Closed = func() error {
			dismiss()
			return nil
		}
		return start(cfg)
	})
}

// NewServerPool returns a pool of the connections that clients open. It does nothing
// before [Pool.ServerManager] is called, and is nil for a nil listener.
//
//   - maxCap is the number of idle connections that the clients are expected to keep. It
//     refuses nobody: a connection that is idle here may be in use over there.
//   - clientIP is a comma-separated list of the IP addresses and prefixes that may
//     connect; empty means all.
//   - tlsConfig holds the certificate; nil is plain TCP.
//   - listener belongs to the pool from now on: Close closes it.
//   - keepAlive is as that of [NewClientPool].
//
// What one client may take is bounded by the default [Limits].
//
// The first connection of the pool's life, and no other, has the ID 00000000.
func NewServerPool(
	maxCap int,
	clientIP string,
	tlsConfig *tls.Config,
	listener net.Listener,
	keepAlive time.Duration,
) *Pool {
	if isNil(listener) {
		return nil
	}
	maxCap, _ = compat.Ordered(maxCap, maxCap, 1)
	p := newPool(maxCap, time.Second, func(hooks poolkit.Hooks) (*poolkit.Pool[*Conn], error) {
		allow, err := access.ParseAllowList(clientIP)
		if err == nil {
			err = checkServerTLS(tlsConfig)
		}
		if err != nil {
			return nil, poolkit.Permanent(err)
		}
		a := &acceptor{
			listener:  listener,
			tls:       tlsConfig.Clone(),
			guard:     newGuard(allow, Limits{}, nil),
			keepAlive: keepAliveEvery(keepAlive),
			gentle:    true,
		}
		cfg := a.core(maxCap, hooks)
		cfg.FirstID = new(poolkit.ID)
		return start(cfg)
	})
	p.listener = listener
	return p
}

func newPool(capacity int, interval time.Duration, open func(poolkit.Hooks) (*poolkit.Pool[*Conn], error)) *Pool {
	return &Pool{shared: compat.New(compat.Config[*Conn]{
		Backend:  "tcp",
		Members:  "connections",
		Capacity: capacity,
		Interval: interval,
		Open:     open,
	})}
}

// clientTLS is the configuration of a TLS code; nil for none.
func clientTLS(code, hostname string) (*tls.Config, error) {
	switch code {
	case "0":
		return nil, nil
	case "1":
		return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: hostname, InsecureSkipVerify: true}, nil // as documented
	case "2":
		if hostname == "" {
			return nil, errors.New(`TLS code "2" verifies the host name, and that is empty: set it to the one in the server's certificate`)
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: hostname}, nil
	}
	return nil, fmt.Errorf(`TLS code %q is none of "0" (plain TCP), "1" (TLS, self-signed) and "2" (TLS, verified)`, code)
}

// ClientManager starts a pool of [NewClientPool]. It returns at once, and works when
// called with go as well. Further calls do nothing.
func (p *Pool) ClientManager() { p.shared.Start() }

// ServerManager starts a pool of [NewServerPool]. It returns at once, and works when
// called with go as well. Further calls do nothing.
func (p *Pool) ServerManager() { p.shared.Start() }

// OutgoingGet returns the connection with the given ID, eight hexadecimal digits. If it
// is not here yet, OutgoingGet waits until it arrives: for as long as timeout, and
// not a moment longer. It is a [*Conn], whose Close gives its place back.
//
// Errors: [poolkit.ErrLost] at once if the connection was here and has just ended; the
// timeout, which is [context.DeadlineExceeded] and has Timeout(); [net.ErrClosed] once
// the pool is closed; and at once whatever keeps the pool from having connections at all,
// such as a rejected certificate.
func (p *Pool) OutgoingGet(id string, timeout time.Duration) (net.Conn, error) {
	return p.shared.OutgoingGet(id, timeout)
}

// IncomingGet returns any idle connection and its ID, by which the other end finds it.
// If none is idle, IncomingGet waits until one arrives, for as long as timeout. Its
// errors are those of [Pool.OutgoingGet].
func (p *Pool) IncomingGet(timeout time.Duration) (string, net.Conn, error) {
	return p.shared.IncomingGet(timeout)
}

// Active returns the number of idle connections.
func (p *Pool) Active() int { return p.shared.Active() }

// Capacity returns the number of idle connections that the pool keeps now.
func (p *Pool) Capacity() int { return p.shared.Capacity() }

// Interval returns the time between two regular rounds, as it is now.
func (p *Pool) Interval() time.Duration { return p.shared.Interval() }

// ShardCount returns 1: a pool of package quic shares out its streams over shards, but
// here no connection depends on another.
func (p *Pool) ShardCount() int { return 1 }

// Ready reports whether the pool has been made and not closed yet. It does not say
// that a connection is idle: that is Active() > 0.
func (p *Pool) Ready() bool { return p != nil && p.shared.Ready() }

// AddError counts an error of the user's.
func (p *Pool) AddError() { p.shared.AddError() }

// ErrorCount returns how many errors the user has counted. The pool's own failures
// are not among them.
func (p *Pool) ErrorCount() int { return p.shared.ErrorCount() }

// ResetError sets the count to zero.
func (p *Pool) ResetError() { p.shared.ResetError() }

// Flush closes all idle connections. Those in use are not touched; both ends fill again
// at once.
func (p *Pool) Flush() { p.shared.Flush() }

// Close closes the pool: getters that wait fail at once, and every connection and the
// listener are closed when it returns. Closing again, and closing a nil Pool, do nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.shared.Close()
	if p.listener != nil {
		_ = p.listener.Close() // in case that it was never used
	}
}
