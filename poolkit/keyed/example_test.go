package keyed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
	"github.com/vistone/poolkit/sizing"
)

// greet is a toy backend: at the other end of each pipe somebody names his host.
func greet(host string) (poolkit.Config[net.Conn], error) {
	return poolkit.Config[net.Conn]{
		Dialer: poolkit.DialerFunc[net.Conn](func(context.Context, int) (poolkit.ID, net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				for {
					if _, err := fmt.Fprintf(there, "this is %s\n", host); err != nil {
						return
					}
				}
			}()
			return poolkit.RandomID(), here, nil
		}),
		Shut:        net.Conn.Close,
		MaxCapacity: 1, Sizing: sizing.Fixed(0), // dial for callers only
	}, nil
}

// Each host has a pool, and together they have no more than two connections open.
func Example() {
	hosts, err := keyed.New(keyed.Config[string, net.Conn]{Pool: greet, Budget: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hosts.Close()

	for _, host := range []string{"alpha", "beta", "gamma", "alpha"} {
		lease, err := hosts.Acquire(context.Background(), host)
		if err != nil {
			fmt.Println(err)
			return
		}
		line := make([]byte, 64)
		n, _ := lease.Conn().Read(line)
		fmt.Print(string(line[:n]))
		lease.Release()
	}
	s := hosts.Stats()
	fmt.Println("pools made:", s.Opened, "evicted:", s.Evicted)
	// Output:
	// this is alpha
	// this is beta
	// this is gamma
	// this is alpha
	// pools made: 4 evicted: 2
}

// With all of the budget on loan a caller waits until his deadline, and is told how
// things stand.
func ExamplePool_Acquire() {
	hosts, _ := keyed.New(keyed.Config[string, net.Conn]{Pool: greet, Budget: 1})
	defer hosts.Close()
	lease, _ := hosts.Acquire(context.Background(), "alpha")
	defer lease.Release()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := hosts.Acquire(ctx, "beta")
	var why *keyed.AcquireError
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.As(err, &why))
	fmt.Println(why.Key, "waited:", why.Stats.Open, "of", why.Stats.Budget, "are open")
	// Output:
	// true true
	// beta waited: 1 of 1 are open
}

func ExamplePool_All() {
	hosts, _ := keyed.New(keyed.Config[string, net.Conn]{Pool: greet, Budget: 10})
	defer hosts.Close()
	for _, host := range []string{"alpha", "beta", "alpha"} {
		lease, _ := hosts.Acquire(context.Background(), host)
		lease.Release()
	}
	for host, s := range hosts.All() {
		fmt.Printf("%s has %d idle, and was asked %d times\n", host, s.Idle, s.Acquires)
	}
	// Output:
	// alpha has 1 idle, and was asked 2 times
	// beta has 1 idle, and was asked 1 times
}

// dialed is a connection that ends its lease when it is closed.
type dialed struct {
	net.Conn
	lease poolkit.Lease[net.Conn]
}

func (c *dialed) Close() error {
	c.lease.Discard()
	return nil
}

// A transport that dials through the pools finds connections to the hosts it uses ready,
// with the handshake done. It closes each in the end, so they are used once: for each that
// it takes another is dialled.
func Example_dialContext() {
	warm, err := keyed.New(keyed.Config[string, net.Conn]{
		Pool: func(addr string) (poolkit.Config[net.Conn], error) {
			return poolkit.Config[net.Conn]{
				Dialer: poolkit.DialerFunc[net.Conn](func(ctx context.Context, _ int) (poolkit.ID, net.Conn, error) {
					var d net.Dialer
					c, err := d.DialContext(ctx, "tcp", addr)
					return poolkit.RandomID(), c, err
				}),
				Shut:      net.Conn.Close,
				SingleUse: true,
			}, nil
		},
		Budget: 100,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer warm.Close()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			lease, err := warm.Acquire(ctx, addr)
			if err != nil {
				return nil, err
			}
			return &dialed{lease.Conn(), lease}, nil
		},
	}}
	defer client.CloseIdleConnections()

	for _, name := range []string{"one", "two"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, "server ", name)
		}))
		defer server.Close()
		answer, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Println(string(body))
	}
	fmt.Println(warm.Stats().Keys, "hosts")
	// Output:
	// server one
	// server two
	// 2 hosts
}
