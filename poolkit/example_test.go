package poolkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// pipes is a toy backend: each member is one end of a pipe, and at its other end
// somebody sends back, in capitals, what he reads.
func pipes(n int) poolkit.Config[net.Conn] {
	next := byte(0)
	return poolkit.Config[net.Conn]{
		Dialer: poolkit.DialerFunc[net.Conn](func(context.Context, int) (poolkit.ID, net.Conn, error) {
			here, there := net.Pipe()
			go shout(there)
			next++ // MaxDialing is 1
			return poolkit.ID{3: next}, here, nil
		}),
		Shut:        net.Conn.Close,
		MinCapacity: n, MaxCapacity: n, Sizing: sizing.Fixed(n),
		MaxDialing: 1,
	}
}

func shout(c net.Conn) {
	for b := make([]byte, 64); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		for i := range b[:n] {
			if 'a' <= b[i] && b[i] <= 'z' {
				b[i] -= 'a' - 'A'
			}
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// A pool needs to know how to make members and how to end them.
func Example() {
	pool, err := poolkit.New(pipes(2))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	lease, err := pool.Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lease.Release()
	if _, err := io.WriteString(lease.Conn(), "hello"); err != nil {
		fmt.Println(err)
	}
	answer := make([]byte, 5)
	n, err := lease.Conn().Read(answer)
	fmt.Println(string(answer[:n]), err)
	// Output: HELLO <nil>
}

// A caller who finds nothing ready waits until his own deadline. The error says how
// the pool stood.
func ExamplePool_Acquire() {
	cfg := pipes(1)
	cfg.Dialer = poolkit.DialerFunc[net.Conn](func(ctx context.Context, _ int) (poolkit.ID, net.Conn, error) {
		<-ctx.Done() // a peer that does not answer
		return poolkit.ID{}, nil, ctx.Err()
	})
	pool, _ := poolkit.New(cfg)
	defer pool.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := pool.Acquire(ctx)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	fmt.Println(err)
	// Output:
	// true
	// poolkit: acquire a member: context deadline exceeded (0 idle of 1, 0 on loan, 1 on their way, 0 waiting)
}

func ExamplePool_AcquireID() {
	pool, _ := poolkit.New(pipes(3))
	defer pool.Close()

	id, _ := poolkit.ParseID("00000002")
	lease, err := pool.AcquireID(context.Background(), id)
	fmt.Println(lease.ID(), err)
	lease.Release()
	// Output: 00000002 <nil>
}

// A server takes from the client that it has something for.
func ExamplePool_AcquireFrom() {
	cfg := pipes(4)
	turn := 0
	cfg.Peer = func(net.Conn) string {
		turn++ // MaxDialing is 1
		return []string{"alice", "bob"}[turn%2]
	}
	pool, _ := poolkit.New(cfg)
	defer pool.Close()
	_ = pool.WaitReady(context.Background(), 4)

	lease, err := pool.AcquireFrom(context.Background(), "bob")
	fmt.Println(lease.ID(), "of", lease.Peer(), err)
	for _, peer := range pool.Peers() {
		fmt.Printf("%s has %d on loan\n", peer.Peer, peer.OnLoan)
	}
	lease.Release()
	// Output:
	// 00000001 of bob <nil>
	// alice has 0 on loan
	// bob has 1 on loan
}

func ExamplePool_TryAcquire() {
	pool, _ := poolkit.New(pipes(1))
	defer pool.Close()
	_ = pool.WaitReady(context.Background(), 1)

	if lease, ok := pool.TryAcquire(); ok {
		fmt.Println("got", lease.ID())
		lease.Release()
	}
	// Output: got 00000001
}

// Shutdown lets those finish who have a member.
func ExamplePool_Shutdown() {
	pool, _ := poolkit.New(pipes(1))
	lease, _ := pool.Acquire(context.Background())
	go func() {
		fmt.Println("still at work")
		lease.Release()
	}()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println("shutdown:", pool.Shutdown(ctx))
	_, err := pool.Acquire(context.Background())
	fmt.Println("acquire:", errors.Is(err, poolkit.ErrClosed))
	// Output:
	// still at work
	// shutdown: <nil>
	// acquire: true
}
