package compattest

import (
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat"
)

func managers(t *testing.T, b Backend) {
	server, client := b.pools(t, 3)
	for range 2 {
		begun := time.Now()
		for range 3 {
			server.ServerManager()
			client.ClientManager()
			go server.ServerManager()
			go client.ClientManager()
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the managers took %v", took)
		}
		<-time.After(10 * time.Second)
		if s, c := server.Active(), client.Active(); s != 3 || c != 3 {
			t.Errorf("%d idle at the server and %d at the client, want 3", s, c)
		}
	}
}

func notStarted(t *testing.T, b Backend) {
	server, client := b.pools(t, 1)
	server.ServerManager()
	begun := time.Now()
	_, _, err := client.IncomingGet(time.Hour)
	IsTimeout(t, err)
	if !errors.Is(err, compat.ErrNotStarted) || !strings.Contains(err.Error(), "ClientManager") {
		t.Errorf("%v: does not say that the manager was not called", err)
	}
	if took := time.Since(begun); took != time.Hour {
		t.Errorf("took %v", took)
	}
	if n := b.Attempts(); n != 0 {
		t.Errorf("tried %d times to connect", n)
	}
}

func getterFirst(t *testing.T, b Backend) {
	server, client := b.pools(t, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := server.IncomingGet(time.Hour); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if _, err := client.OutgoingGet("00000000", time.Hour); err != nil {
			t.Error(err)
		}
	})
	<-time.After(time.Minute)
	server.ServerManager()
	<-time.After(time.Minute)
	begun := time.Now()
	client.ClientManager()
	wg.Wait()
	if took := time.Since(begun); took != b.Delay {
		t.Errorf("the getters returned %v after the manager was called, want %v", took, b.Delay)
	}
	if b.Attempts() == 0 {
		t.Error("it has connected without an attempt")
	}
}

func readiness(t *testing.T, b Backend) {
	server, client := b.pools(t, 1)
	pools := []Pool{server, client}
	for _, p := range pools {
		if !p.Ready() {
			t.Error("not ready after construction")
		}
	}
	server.ServerManager()
	client.ClientManager()
	synctest.Wait()
	for _, p := range pools {
		if !p.Ready() {
			t.Error("not ready after the manager was called")
		}
		p.Close()
		if p.Ready() {
			t.Error("ready after Close")
		}
		p.ClientManager() // does nothing
		if p.Ready() || p.Active() != 0 {
			t.Error("a manager brought a closed pool back")
		}
	}
}

func blockedGetters(t *testing.T, b Backend, started bool) {
	server, client := b.Server(1), b.Lost()
	if started {
		server.ServerManager()
		client.ClientManager()
	}
	for _, p := range []Pool{server, client} {
		incoming := func() {
			id, conn, err := p.IncomingGet(time.Hour)
			if id != "" || conn != nil || !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "closed") {
				t.Errorf("IncomingGet: %q, %#v, %v", id, conn, err)
			}
		}
		outgoing := func() {
			if conn, err := p.OutgoingGet("00000000", time.Hour); conn != nil || !errors.Is(err, net.ErrClosed) {
				t.Errorf("OutgoingGet: %#v, %v", conn, err)
			}
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(incoming)
			wg.Go(outgoing)
		}
		<-time.After(time.Second)
		begun := time.Now()
		p.Close()
		wg.Wait()
		incoming() // so do those who come later
		outgoing()
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	}
}

func flushAtAnyTime(t *testing.T, b Backend) {
	for _, p := range []Pool{b.Server(1), b.Lost()} {
		p.Flush()
		p.ClientManager()
		p.Flush()
		p.Close()
		p.Flush()
		if p.Ready() {
			t.Error("ready after Close")
		}
	}
}
