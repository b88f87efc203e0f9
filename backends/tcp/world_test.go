package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

type (
	pool  = poolkit.Pool[*Conn]
	lease = poolkit.Lease[*Conn]
)

// patience is how long tests on real sockets wait for what has to happen.
const patience = time.Minute

// ready waits until a pool has n idle connections.
func ready(tb testing.TB, p *pool, n int) {
	tb.Helper()
	ctx, stop := context.WithTimeout(tb.Context(), patience)
	defer stop()
	if err := p.WaitReady(ctx, n); err != nil {
		tb.Fatal(err)
	}
}

// acquire borrows a connection.
func acquire(tb testing.TB, p *pool) lease {
	tb.Helper()
	ctx, stop := context.WithTimeout(tb.Context(), patience)
	defer stop()
	l, err := p.Acquire(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// eventually waits for a condition.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("after %v: %s", patience, what)
		}
	}
}

// TestMain fails when goroutines outlive the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := running(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines outlived the tests:\n\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// running returns the stacks of goroutines that run our code.
func running() string {
	buf := make([]byte, 1<<22)
	buf = buf[:runtime.Stack(buf, true)]
	var ours []string
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i > 0 && strings.Contains(stack, "vistone/poolkit/") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
