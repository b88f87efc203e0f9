package pooltest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

// What uses a pool can be tested without a network: with a peer in memory, which does
// what a test wants to see survived.
func ExamplePeer() {
	var peer pooltest.Peer
	pool, _ := poolkit.New(peer.Config(1))
	defer pool.Close()

	lease, _ := pool.Acquire(context.Background())
	peer.Kill(lease.Conn())
	_, err := pooltest.Echo(lease.Conn(), []byte("hello"))
	fmt.Println("the peer has ended it:", err != nil)
	lease.Discard()

	lease, _ = pool.Acquire(context.Background())
	answer, err := pooltest.Echo(lease.Conn(), []byte("hello"))
	fmt.Printf("the next one works: %s, %v\n", answer, err)
	lease.Release()
	// Output:
	// the peer has ended it: true
	// the next one works: hello, <nil>
}

// Dialers that misbehave are put one around the other.
func ExampleFlaky() {
	var peer pooltest.Peer
	cfg := peer.Config(4)
	slow := pooltest.Slow[net.Conn](&peer, time.Millisecond)
	cfg.Dialer = pooltest.Flaky(slow, 3, errors.New("no route to host"))
	pool, _ := poolkit.New(cfg)
	defer pool.Close()

	fmt.Println(pool.WaitReady(context.Background(), 4), pool.Stats().Failed > 0)
	// Output: <nil> true
}

// A gate holds dials back until a test has looked.
func ExampleGate() {
	var peer pooltest.Peer
	var gate pooltest.Gate
	gate.Close()
	cfg := peer.Config(2)
	cfg.Dialer = pooltest.Gated[net.Conn](&peer, &gate)
	pool, _ := poolkit.New(cfg)
	defer pool.Close()

	_ = gate.Await(context.Background(), 2)
	fmt.Println(pool.Stats().Promised, "on their way")
	gate.Open()
	_ = pool.WaitReady(context.Background(), 2)
	fmt.Println(pool.Stats().Idle, "idle")
	// Output:
	// 2 on their way
	// 2 idle
}
