package tcp

import (
	"net"
	"sync/atomic"
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

// watcher counts what a pool would be told.
type watcher struct{ gone atomic.Int32 }

func (w *watcher) Gone()    { w.gone.Add(1) }
func (w *watcher) Leaving() {}

var _ poolkit.Watcher = (*watcher)(nil)

// ends returns the two ends of a connection on loopback.
func ends(t *testing.T) (client, server net.Conn) {
	t.Helper()
	conns := make(chan net.Conn, 1) // by the server, once
	s := startUpstream(t, nil, func(conn net.Conn) { conns <- conn })
	client, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, <-conns
}

// conn makes a Conn that l looks at.
func conn(t *testing.T, raw net.Conn, l *lookout) *Conn {
	t.Helper()
	c, err := newConn(raw, nil, l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheLookoutOfTheProcessEndsWithItsLastPool(t *testing.T) {
	first := hire()
	if second := hire(); second != first {
		t.Error("two pools have two lookouts")
	}
	raw, _ := ends(t)
	c := conn(t, raw, first)
	dismiss()
	if third := hire(); third != first {
		t.Error("a lookout was given up that was in use")
	}
	dismiss()
	dismiss()
	if another := hire(); another == first {
		t.Error("the lookout did not end with its last pool")
	}
	dismiss()
	_ = c.Close() // which was hijacked, say, and outlives its pool
}

func TestTheEndOfAConnectionIsToldOnce(t *testing.T) {
	l := hire()
	defer dismiss()
	raw, server := ends(t)
	c := conn(t, raw, l)
	defer c.Close()
	var w watcher
	stop := watch(c, &w)
	server.Close()
	eventually(t, "the end was not told", func() bool { return w.gone.Load() == 1 })
	if stop() {
		t.Error("stop says that the connection has not ended")
	}
}

func TestNobodyIsToldWhoDoesNotWatch(t *testing.T) {
	l := hire()
	defer dismiss()
	raw, server := ends(t)
	c := conn(t, raw, l)
	defer c.Close()
	var w watcher
	if stop := watch(c, &w); !stop() {
		t.Error("stop says that a connection that is fine has ended")
	}
	server.Close()
	eventually(t, "the end was not noticed", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.gone
	})
	if w.gone.Load() != 0 {
		t.Error("somebody was told who had stopped watching")
	}
	// Who watches it now is told at once.
	watch(c, &w)
	if w.gone.Load() != 1 {
		t.Error("nobody was told of an end that came before")
	}
}

// Descriptors are given again at once, so that an event may be heard of when its number
// is another connection's.
func TestAnEventIsNotTakenForAnotherConnections(t *testing.T) {
	l := hire()
	defer dismiss()
	s := startUpstream(t, nil, silent)
	for range 200 {
		var w watcher
		raw, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		first := conn(t, raw, l)
		watch(first, new(watcher))
		_ = first.Close() // its event, if there is one, comes now or later
		if raw, err = net.Dial("tcp", s.addr); err != nil {
			t.Fatal(err)
		}
		second := conn(t, raw, l)
		stop := watch(second, &w)
		if !stop() || w.gone.Load() != 0 {
			t.Fatal("a connection was told of another's end")
		}
		_ = second.Close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.watched); n != 0 {
		t.Errorf("%d connections are looked at, want none", n)
	}
}

// The sweeper stands in for the lookout on other systems; this tests it on all.
func TestTheSweeperSeesTheEndOfIdleConnections(t *testing.T) {
	l := hire()
	defer dismiss()
	s := newSweeper()
	defer s.close()
	raw, server := ends(t)
	c := conn(t, raw, l)
	defer c.Close()
	c.lookout.remove(c) // so that the sweeper alone looks at it
	if err := s.add(c); err != nil {
		t.Fatal(err)
	}
	server.Close()
	eventually(t, "the end did not arrive", func() bool { return c.socket.look() == ended })
	s.sweep()
	if c.gone {
		t.Error("a connection was examined that somebody had")
	}
	var w watcher
	watch(c, &w)
	eventually(t, "the end was not told", func() bool { return w.gone.Load() == 1 })
	s.remove(c)
}
