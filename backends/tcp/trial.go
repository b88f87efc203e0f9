package tcp

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"
)

// trial is one dial's way through the addresses of a server. It goes on to the next
// until a connection is fit for use, not merely open.
type trial struct {
	*dialer

	server string
	forced bool     // tries what is ejected, too
	unfit  []string // addresses that let us in, to no avail
}

// run makes a connection. Where last is set there is no other server, so that in the
// end even ejected addresses are tried.
func (t *trial) run(ctx context.Context, last bool) (*Conn, error) {
	var problems failures
	for {
		p := &pass{trial: t}
		raw, err := p.reach(ctx)
		if err != nil && last && p.skipped > 0 && ctx.Err() == nil {
			t.forced = true
			p = &pass{trial: t}
			raw, err = p.reach(ctx)
		}
		if err != nil {
			if len(problems) == 0 || len(p.tried) > 0 {
				problems = append(problems, err)
			}
			return nil, problems.join()
		}
		addr := addrOf(raw)
		c, how, err := t.tryOut(ctx, raw, addr)
		if err == nil {
			return c, nil
		}
		problems = append(problems, err)
		// Where one arrives elsewhere than where one wanted to go, as from 0.0.0.0 at
		// 127.0.0.1, nothing would keep the next pass from the same.
		if how != failed || ctx.Err() != nil || !slices.Contains(p.tried, addr) {
			return nil, problems.join()
		}
		t.unfit = append(t.unfit, addr)
	}
}

// tryOut makes an open connection fit for use, and notes what that says of its address.
func (t *trial) tryOut(ctx context.Context, raw net.Conn, addr string) (c *Conn, how outcome, err error) {
	defer func() { t.addresses.triedAddr(addr, how, time.Now()) }() // also after the end of the goroutine
	c, err = t.setUp(ctx, raw)
	return c, blame(ctx, err), err
}

// reach opens a connection to any address of the server.
func (p *pass) reach(ctx context.Context) (conn net.Conn, err error) {
	if p.dial != nil {
		conn, err = p.reachBy(ctx)
	} else {
		d := p.net
		d.ControlContext = p.control
		conn, err = d.DialContext(ctx, "tcp", p.server)
		p.judge(ctx, conn, err)
	}
	if err != nil {
		return nil, connectError(p.server, p.turned(err))
	}
	return conn, nil
}

// reachBy opens a connection by the user's dialer.
func (t *trial) reachBy(ctx context.Context) (conn net.Conn, err error) {
	defer catch("DialContext", &err)
	conn, err = t.dial(ctx, "tcp", t.server)
	if err == nil && isNil(conn) {
		err = errNoConn
	}
	return conn, err
}

// blame says what an error says of a server.
func blame(ctx context.Context, err error) outcome {
	switch {
	case err == nil:
		return worked
	case errors.Is(ctx.Err(), context.Canceled), local(err):
		return undecided
	}
	return failed
}
