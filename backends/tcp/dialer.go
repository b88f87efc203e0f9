package tcp

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// dialer makes connections that are ready to use. It is the pool's [poolkit.Dialer].
type dialer struct {
	// Set before the first dial.
	resolve  func(context.Context) ([]string, error)
	dial     func(ctx context.Context, network, addr string) (net.Conn, error) // takes the place of net; may be nil
	net      net.Dialer
	tls      *tls.Config  // nil without TLS
	trust    trust.Policy // takes the place of certificate authorities; may be nil
	prepare  func(context.Context, *Conn) error
	sessions *sessions // nil where the user has a cache
	lookout  *lookout
	meets    bool // the server is a pool of Listen, which says the ID
	gentle   bool // connections close gently; only if meets

	addresses *addresses
	made      atomic.Uint32 // connections: gives them their IDs
}

// Dial implements [poolkit.Dialer]. It goes through the servers until one works, the
// one with the fewest connections first. Those that are ejected are left out, unless
// all are: then it tries the one that has been for longest.
func (d *dialer) Dial(ctx context.Context, _ int) (id poolkit.ID, c *Conn, err error) {
	left, err := d.servers(ctx)
	if err != nil {
		return id, nil, err
	}
	var problems failures
	for {
		server, ok := d.addresses.choose(left, time.Now())
		forced := !ok && len(problems) == 0
		if forced {
			server = d.addresses.soonest(left)
		} else if !ok {
			break
		}
		c, err := d.connect(ctx, server, forced, len(left))
		if err == nil {
			if d.meets {
				return c.meeting.id, c, nil
			}
			binary.BigEndian.PutUint32(id[:], d.made.Add(1)) // no other has it: a pool does not make four billion
			return id, c, nil
		}
		problems = append(problems, err)
		left = slices.DeleteFunc(left, func(name string) bool { return name == server })
		if forced || ctx.Err() != nil {
			break
		}
	}
	return id, nil, append(problems, d.addresses.problems(left)...).join()
}

// connect makes a connection to a server, in an equal share of the time that ctx leaves
// for so many: one that says nothing must not keep the next from its turn.
func (d *dialer) connect(ctx context.Context, server string, forced bool, servers int) (c *Conn, err error) {
	if forced {
		servers = 1
	}
	share, cancel := shareOf(ctx, servers)
	defer cancel()
	t := &trial{dialer: d, server: server, forced: forced}
	how := undecided
	defer func() { d.addresses.ended(server, how, err, time.Now()) }() // also after a panic
	c, err = t.run(share, servers < 2)
	how = blame(share, err)
	if err == nil {
		c.onEnd = func() { d.addresses.left(server) }
	}
	return c, err
}

// servers returns what to connect to. The slice is the caller's.
func (d *dialer) servers(ctx context.Context) (names []string, err error) {
	defer catch("Resolve", &err)
	names, err = d.resolve(ctx)
	if err != nil {
		return nil, fmt.Errorf("resolve the server's address: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("resolve the server's address: there is none: Resolve has to return host:port, at least once")
	}
	for _, name := range names {
		if err := checkAddress(name); err != nil {
			return nil, fmt.Errorf("resolve the server's address: %w", err)
		}
	}
	return slices.Clone(names), nil
}

// shareOf returns a context for one of n attempts that follow each other.
func shareOf(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok || n < 2 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(n))
}
