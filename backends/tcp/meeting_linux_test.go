package tcp

import (
	"io"
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

func TestAConnectionThatNobodyAsksForIsGivenUp(t *testing.T) {
	eachWay(t, func(t *testing.T, w *site) {
		server, client := w.pair(1)
		s := acquire(t, server)
		if _, err := io.WriteString(s.Conn(), "hello?"); err != nil {
			t.Fatal(err)
		}
		s.Release()
		settledBut(t, 1, 1, client)
		c, ok := find(s.ID())
		if !ok {
			t.Fatal("it is gone already")
		}
		c.mu.Lock()
		c.meeting.finished = c.meeting.finished.Add(-askedFor)
		c.mu.Unlock()
		settled(t, 1, client)
		if _, ok := client.TryAcquireID(s.ID()); ok {
			t.Error("it is lent although it is gone")
		}
	})
}

// find returns an idle connection, and leaves it idle.
func find(id poolkit.ID) (found *Conn, ok bool) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.lookout.mu.Lock()
	defer shared.lookout.mu.Unlock()
	for _, c := range shared.lookout.watched {
		c.mu.Lock()
		if c.meeting.id == id && c.watcher != nil && !c.meeting.finished.IsZero() {
			found, ok = c, true
		}
		c.mu.Unlock()
	}
	return found, ok
}
