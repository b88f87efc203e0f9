package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/vistone/poolkit/backends/internal/compat"
	"github.com/vistone/poolkit/poolkit"
)

// patient dials by a function that knows no context. It is the [poolkit.Dialer] of a
// compatibility pool.
type patient struct {
	*dialer

	open  func() (net.Conn, error)
	probe net.KeepAliveConfig

	// calls holds a token for each call of open under way, those included that nobody
	// waits for any more. Whoever sends one takes one out again; never closed.
	calls chan struct{}
}

// mostCalls is enough for a pool to go on while as many calls as it makes at once hang:
// after failures it makes one at a time, one every few seconds, and a connect that nobody
// answers ends by itself after about two minutes.
const mostCalls = 2 * dialsAtOnce

var (
	errHangs   = errors.New("the dialer has not returned in time: give it a timeout of its own")
	errAllHang = fmt.Errorf("%d calls of the dialer have not returned: give it a timeout of its own", mostCalls)
)

func newPatient(open func() (net.Conn, error), conf *tls.Config, probe net.KeepAliveConfig) *patient {
	d := &dialer{tls: conf, meets: true, gentle: true}
	if conf != nil {
		d.sessions = newSessions()
	}
	return &patient{dialer: d, open: open, probe: probe, calls: make(chan struct{}, mostCalls)}
}

// Dial implements [poolkit.Dialer].
func (p *patient) Dial(ctx context.Context, _ int) (id poolkit.ID, c *Conn, err error) {
	raw, err := p.reach(ctx)
	if err != nil {
		return id, nil, err
	}
	setKeepAlive(raw, p.probe)
	t := &trial{dialer: p.dialer, server: addrOf(raw)}
	c, err = t.setUp(ctx, raw)
	if err != nil {
		return id, nil, err
	}
	return c.meeting.id, c, nil
}

// reach opens a connection. It does not wait for the dialer when ctx has ended.
func (p *patient) reach(ctx context.Context) (net.Conn, error) {
	select {
	case p.calls <- struct{}{}:
	case <-ctx.Done():
		return nil, overtime(ctx, errAllHang)
	}
	raw, err := compat.Hasty(ctx, "dialer", func() (net.Conn, error) {
		defer func() { <-p.calls }()
		return p.open()
	}, discard)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return nil, overtime(ctx, errHangs)
	case err != nil:
		return nil, fmt.Errorf("connect: %w", p.turned(err))
	case isNil(raw):
		return nil, errNoConn
	}
	return raw, nil
}

// discard closes a connection that nobody waits for any more.
func discard(raw net.Conn, _ error) {
	if !isNil(raw) {
		_ = raw.Close()
	}
}

// overtime says why there was no time left, unless the pool is closing.
func overtime(ctx context.Context, why error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return why
	}
	return context.Cause(ctx)
}

// addrOf returns the address of a connection's other end, if it tells.
func addrOf(raw net.Conn) string {
	if addr := raw.RemoteAddr(); addr != nil {
		return addr.String()
	}
	return "an unknown address"
}
