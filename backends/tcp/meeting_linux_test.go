package tcp

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Elsewhere the end is not seen behind bytes.

// Whoever took it has nothing more to say: it is only for who knows its ID.
func TestAConnectionThatThePeerHasTakenAndEndedIsLentByItsIDOnly(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(3)
		for _, ends := range [][2]*pool{{server, client}, {client, server}} {
			from, to := ends[0], ends[1]
			l := acquire(t, from)
			if _, err := io.WriteString(l.Conn(), "it was me"); err != nil {
				t.Fatal(err)
			}
			l.Release()
			eventually(t, "it is lent to anybody", func() bool { return to.Stats().Closing == 1 })
			settledBut(t, 3, 1, to)
			others := []lease{acquire(t, to), acquire(t, to), acquire(t, to)}
			for _, o := range others {
				if o.ID() == l.ID() {
					t.Error("it was lent to anybody")
				}
				o.Release()
			}
			other := acquireID(t, to, l.ID())
			if got, err := io.ReadAll(other.Conn()); err != nil || string(got) != "it was me" {
				t.Errorf("%q, %v", got, err)
			}
			other.Release()
		}
		settled(t, 3, server, client)
	})
}

// told is a watcher that counts.
type told struct{ leaving, gone atomic.Int32 }

func (w *told) Leaving() { w.leaving.Add(1) }
func (w *told) Gone()    { w.gone.Add(1) }

// watched returns a connection that w watches, and its other end.
func watchedBy(t *testing.T, w poolkit.Watcher) (c *Conn, stop func() bool, peer net.Conn) {
	t.Helper()
	l := newLookout()
	t.Cleanup(l.close)
	s := &site{T: t}
	ln := s.bind()
	peer = s.knock()
	raw, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err = newPeerConn(raw, nil, newMeeting(poolkit.ID{}, "", false), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.end() })
	return c, attend(c, w), peer
}

func TestAConnectionThatNobodyAsksForIsGivenUp(t *testing.T) {
	var w told
	c, stop, peer := watchedBy(t, &w)
	if _, err := io.WriteString(peer, "hello?"); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	eventually(t, "it is lent to anybody", func() bool { return w.leaving.Load() > 1 }) // again and again
	if n := w.gone.Load(); n > 0 {
		t.Error("it is gone already")
	}
	c.mu.Lock()
	c.meeting.finished = c.meeting.finished.Add(-askedFor)
	c.mu.Unlock()
	eventually(t, "it is kept", func() bool { return w.gone.Load() == 1 })
	if stop() {
		t.Error("it is alive")
	}
}

func TestAConnectionThatIsResetAfterItWasEndedIsGone(t *testing.T) {
	var w told
	_, stop, peer := watchedBy(t, &w)
	if _, err := io.WriteString(peer, "hello?"); err != nil {
		t.Fatal(err)
	}
	if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is lent to anybody", func() bool { return w.leaving.Load() > 0 })
	reset(peer)
	eventually(t, "it is kept", func() bool { return w.gone.Load() == 1 })
	if stop() {
		t.Error("it is alive")
	}
}

func TestAConnectionThatIsLentIsNoLongerGivenUp(t *testing.T) {
	var w told
	c, stop, peer := watchedBy(t, &w)
	if _, err := io.WriteString(peer, "hello?"); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	eventually(t, "it is lent to anybody", func() bool { return w.leaving.Load() > 0 })
	if !stop() {
		t.Error("it is dead")
	}
	c.lent(poolkit.Lease[*Conn]{})
	c.meeting.ring(c) // which was about to
	n := w.leaving.Load()
	time.Sleep(2 * time.Millisecond)
	if w.gone.Load() > 0 || w.leaving.Load() > n {
		t.Error("its watcher was told")
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello?" {
		t.Errorf("%q, %v", got, err)
	}
}
