package compattest

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// IsTimeout checks that a getter failed for the time it took, and for nothing else.
func IsTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v: has no Timeout()", err)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: is not context.DeadlineExceeded", err)
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		t.Errorf("%v: says that something is closed", err)
	}
}

func malformedID(t *testing.T, b Backend) {
	server, client := b.pools(t, 1)
	for _, started := range []bool{false, true} {
		if started {
			server.ServerManager()
			client.ClientManager()
			<-time.After(time.Minute)
		}
		begun := time.Now()
		for _, id := range []string{
			"", "0", "0000000", "000000000", "0000000g", "0x000000", "00000000\n", " 0000000", "ＦＦ000000", "-1234567",
		} {
			for _, p := range []Pool{server, client} {
				conn, err := p.OutgoingGet(id, time.Hour)
				if conn != nil || err == nil || !strings.HasPrefix(err.Error(), b.Name+": OutgoingGet: ") {
					t.Errorf("OutgoingGet(%q): %#v, %v", id, conn, err)
				}
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	}
}

// timeouts are what getters are given.
var timeouts = []time.Duration{-time.Second, 0, 1, time.Millisecond, 1234 * time.Millisecond, time.Hour}

func unknownID(t *testing.T, b Backend) {
	server, client := b.pools(t, 3)
	server.ServerManager()
	client.ClientManager()
	<-time.After(time.Minute)
	for _, p := range []Pool{server, client} {
		for _, timeout := range timeouts {
			begun := time.Now()
			conn, err := p.OutgoingGet("fffffffe", timeout)
			if took := time.Since(begun); took != max(timeout, 0) {
				t.Errorf("a timeout of %v took %v", timeout, took)
			}
			if conn != nil {
				t.Errorf("got %#v along with an error", conn)
			}
			IsTimeout(t, err)
		}
	}
}

func vainWait(t *testing.T, b Backend) {
	server, _ := b.pools(t, 1)
	server.ServerManager()
	for _, timeout := range timeouts {
		begun := time.Now()
		id, conn, err := server.IncomingGet(timeout)
		if took := time.Since(begun); took != max(timeout, 0) {
			t.Errorf("a timeout of %v took %v", timeout, took)
		}
		if id != "" || conn != nil {
			t.Errorf("got %q, %#v along with an error", id, conn)
		}
		IsTimeout(t, err)
	}
}

func bounds(t *testing.T, b Backend) {
	server := b.Server(200)
	defer server.Close()
	server.ServerManager()
	for _, c := range []struct {
		minCap, maxCap int
		minIvl, maxIvl time.Duration
		capacity       int
		interval       time.Duration
	}{
		{5, 200, time.Second, time.Minute, 5, time.Second},
		{200, 5, time.Minute, time.Second, 5, time.Second},
		{0, 0, 0, 0, 1, time.Second},
		{-3, 200, -1, time.Minute, 1, time.Second},
		{10, -1, 5 * time.Second, -1, 1, time.Second},
		{0, 10, 200 * time.Millisecond, 0, 1, 200 * time.Millisecond},
	} {
		p := b.Client(c.minCap, c.maxCap, c.minIvl, c.maxIvl)
		if p.Capacity() != c.capacity || p.Interval() != c.interval {
			t.Errorf("%+v: capacity %d, interval %v", c, p.Capacity(), p.Interval())
		}
		p.ClientManager()
		if p.Capacity() != c.capacity || p.Interval() != c.interval {
			t.Errorf("%+v: when open, capacity %d, interval %v", c, p.Capacity(), p.Interval())
		}
		p.Close()
	}
}

func userErrors(t *testing.T, b Backend) {
	p := b.Lost()
	defer p.Close()
	p.ClientManager()
	if _, err := p.OutgoingGet("00000000", time.Minute); err == nil { // it has failed by then
		t.Error("got a connection from nowhere")
	}
	count := func(want int) {
		t.Helper()
		if n := p.ErrorCount(); n != want {
			t.Errorf("%d errors, want %d", n, want)
		}
	}
	count(0)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(p.AddError)
	}
	wg.Wait()
	count(100)
	p.ResetError()
	count(0)
}
