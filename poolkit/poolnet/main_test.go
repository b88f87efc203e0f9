package poolnet_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when goroutines of ours outlive the tests. In bubbles of virtual time
// synctest sees to that; this is for the tests on real sockets.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines outlived the tests:\n\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the stacks of goroutines that run our code and do not end soon.
func leaked() (stacks string) {
	for range 500 {
		if stacks = running(); stacks == "" {
			return ""
		}
		time.Sleep(20 * time.Millisecond) // those of net/http and quic-go end on their own
	}
	return stacks
}

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
