package quic

import (
	"testing"
	"time"
)

// These are about old clients; see oldPeer.

// cycles takes manyCycles streams at both ends, which then end them in some way.
func (o *oldClient) cycles(server *Pool, end func(c oldStream, s *StreamConn)) {
	o.Helper()
	for range manyCycles {
		c, s := o.find(server)
		end(c, s)
		o.open() // fails when no place comes back
	}
}

func TestAnOldClientAndAServerFindEveryStreamByItsID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, old := w.server(128), w.oldClient(128)
		w.full(128, server)
		s, err := server.OutgoingGet("00000000", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, c := old.take("00000000")
		usable(t, c, s)
		for range 60 {
			c, s := old.find(server)
			usable(t, c, s)
			id, c := old.take("")
			other, err := server.OutgoingGet(id, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			usable(t, other, c)
		}
	})
}

// An old client's Close is a FIN. Whether it reads to the end is up to its application.
func TestThePlacesOfAnOldClientComeBack(t *testing.T) {
	answer := func(t *testing.T, c oldStream, s *StreamConn) {
		say(t, c, "request")
		c.Close()
		hear(t, s, "request")
		say(t, s, "answer")
		s.Close()
	}
	for name, end := range map[string]func(t *testing.T, c oldStream, s *StreamConn){
		"we close first":     func(_ *testing.T, c oldStream, s *StreamConn) { s.Close(); time.Sleep(rtt); c.Close() },
		"it closes first":    func(_ *testing.T, c oldStream, s *StreamConn) { c.Close(); time.Sleep(rtt); s.Close() },
		"at the same time":   func(_ *testing.T, c oldStream, s *StreamConn) { c.Close(); s.Close() },
		"both have written":  func(_ *testing.T, c oldStream, s *StreamConn) { sayBoth(c, s); c.Close(); s.Close() },
		"we abort":           func(_ *testing.T, c oldStream, s *StreamConn) { sayBoth(c, s); c.Close(); abort(s) },
		"it hears no answer": answer,
		"it hears an answer": func(t *testing.T, c oldStream, s *StreamConn) { answer(t, c, s); hear(t, c, "answer") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				server, old := w.server(places), w.oldClient(places)
				old.cycles(server, func(c oldStream, s *StreamConn) { end(t, c, s) })
				time.Sleep(time.Minute)
				settled(t, places, server)
			})
		})
	}
}

func TestThePlacesOfIdleStreamsThatAnOldClientClosesComeBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server, old := w.server(places), w.oldClient(places)
		for range manyCycles {
			_, c := old.take("")
			c.Close()
			old.open()
		}
		time.Sleep(time.Second)
		settled(t, places, server)
	})
}
