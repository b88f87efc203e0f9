package nettest

import (
	"context"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
	"github.com/vistone/poolkit/sizing"
)

// member is one end of a connection, which knows the other.
type member struct {
	net.Conn
	far net.Conn
}

// socket is a member that can do more.
type socket struct {
	*net.TCPConn
	far net.Conn
}

// A lent member is a net.Conn whatever it can do, and whether Close ends or returns it.
// The peers of this test want to see an end, so what is returned is found unhealthy.
func TestALentMemberIsANetConn(t *testing.T) {
	for kind, connect := range map[string]func() (near, far net.Conn, err error){
		"pipe": func() (net.Conn, net.Conn, error) {
			near, far := net.Pipe()
			return member{near, far}, far, nil
		},
		"TCP": tcpPair,
	} {
		var used sync.Map
		pool, err := poolkit.New(poolkit.Config[net.Conn]{
			Dialer: poolkit.DialerFunc[net.Conn](func(context.Context, int) (poolkit.ID, net.Conn, error) {
				near, _, err := connect()
				return poolkit.RandomID(), near, err
			}),
			Shut: net.Conn.Close,
			Healthy: func(c net.Conn) bool {
				_, was := used.Load(c)
				return !was
			},
			Lent:        func(c net.Conn, _ poolkit.Lease[net.Conn]) { used.Store(c, true) },
			MinCapacity: 1, MaxCapacity: 1, Sizing: sizing.Fixed(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		ending := poolnet.NewDialer(pool)
		returning, err := ending.Returning()
		if err != nil {
			t.Fatal(err)
		}
		for closing, d := range map[string]*poolnet.Dialer[net.Conn]{"ending": ending, "returning": returning} {
			t.Run(kind+" "+closing, func(t *testing.T) {
				nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
					c1, err = d.DialContext(t.Context(), "tcp", "any")
					if err != nil {
						return nil, nil, nil, err
					}
					switch m := c1.(interface{ NetConn() net.Conn }).NetConn().(type) {
					case member:
						c2 = m.far
					case socket:
						c2 = m.far
					}
					return c1, c2, func() { c1.Close(); c2.Close() }, nil
				})
			})
		}
		if n := pool.Stats().OnLoan; n != 0 {
			t.Errorf("%d members are still on loan", n)
		}
	}
}

// tcpPair connects two TCP sockets on loopback.
func tcpPair() (near, far net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = l.Accept(); err != nil {
		return nil, nil, err
	}
	return socket{near.(*net.TCPConn), far}, far, nil
}

// Both ends of a QUIC stream, through the adapters of both sides.
func TestADialledAndAnAcceptedMemberAreNetConns(t *testing.T) {
	server, client := pools(t)
	listener, err := poolnet.NewListener(server, poolnet.ListenerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialer := poolnet.NewDialer(client)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		if c1, err = dialer.DialContext(t.Context(), "tcp", "any"); err != nil {
			return nil, nil, nil, err
		}
		if _, err = c1.Write([]byte("x")); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = listener.Accept(); err != nil {
			return nil, nil, nil, err
		}
		if _, err = c2.Read(make([]byte, 1)); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close() }, nil
	})
	if n := client.Stats().OnLoan; n != 0 {
		t.Errorf("%d members are still on loan", n)
	}
}
