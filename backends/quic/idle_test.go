package quic

import (
	"bytes"
	"io"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// These are about what a peer does to a stream that is idle at our end.

// peerDoes is what the peer does, and whether the stream is still of use then.
var peerDoes = map[string]struct {
	do   func(s *StreamConn)
	kept bool
	read string // what there is to read
}{
	"FIN":                   {do: func(s *StreamConn) { _ = s.Stream.Close() }},
	"RESET":                 {do: func(s *StreamConn) { s.CancelWrite(7) }},
	"FIN, STOP_SENDING":     {do: func(s *StreamConn) { _ = s.Stream.Close(); s.CancelRead(7) }},
	"RESET, STOP_SENDING":   {do: func(s *StreamConn) { reset(s.Stream, 7) }},
	"STOP_SENDING":          {do: func(s *StreamConn) { s.CancelRead(7) }, kept: true}, // it may send yet
	"data":                  {do: func(s *StreamConn) { send(s) }, kept: true, read: "data"},
	"data, FIN":             {do: func(s *StreamConn) { send(s); _ = s.Stream.Close() }, kept: true, read: "data"},
	"data, Close":           {do: func(s *StreamConn) { send(s); s.Close() }, kept: true, read: "data"},
	"data, RESET":           {do: func(s *StreamConn) { send(s); s.CancelWrite(7) }},
	"data, later RESET":     {do: func(s *StreamConn) { send(s); time.Sleep(rtt); s.CancelWrite(7) }},
	"data, Abort":           {do: func(s *StreamConn) { send(s); time.Sleep(rtt); abort(s) }},
	"data, FIN, STOP":       {do: func(s *StreamConn) { send(s); _ = s.Stream.Close(); s.CancelRead(7) }},
	"Close":                 {do: func(s *StreamConn) { s.Close() }},
	"data, STOP, later FIN": {do: func(s *StreamConn) { send(s); s.CancelRead(7); time.Sleep(rtt); _ = s.Stream.Close() }},
}

func send(s *StreamConn) { _, _ = s.Write([]byte("data")) }

func TestWhatAPeerDoesToAnIdleStream(t *testing.T) {
	for name, c := range peerDoes {
		for _, first := range []string{"client", "server"} {
			t.Run(name+" by the "+first, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					first, second := w.pair(5)
					if name := t.Name(); name[len(name)-6:] == "server" {
						first, second = second, first
					}
					id, taken, err := first.IncomingGet(time.Second)
					if err != nil {
						t.Fatal(err)
					}
					s := taken.(*StreamConn)
					c.do(s)
					time.Sleep(rtt/2 + time.Millisecond)
					other, err := second.OutgoingGet(id, 0)
					if kept := err == nil; kept != c.kept {
						t.Errorf("still handed out: %v, want %v", kept, c.kept)
					}
					if err == nil {
						got := make([]byte, len(c.read))
						if _, err := io.ReadFull(other, got); err != nil || string(got) != c.read {
							t.Errorf("read %q, %v", got, err)
						}
						other.Close()
					}
					s.Close()
					abort(s)
					time.Sleep(5 * time.Second)
					settled(t, 5, first, second)
				})
			})
		}
	}
}

// watcher counts how often it is told that a stream is gone.
type watcher int

func (w *watcher) Gone()  { *w++ }
func (*watcher) Leaving() {}

// Where the peer ends a stream in the moment in which it is taken, whoever takes it
// is told by the end of the watch.
func TestTheEndOfAWatchTellsWhetherTheStreamIsAlive(t *testing.T) {
	for name, c := range peerDoes {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, _ [2]*Pool) {
				var gone watcher
				stop := watch(b, &gone)
				c.do(a)
				time.Sleep(rtt/2 + time.Millisecond)
				if alive := stop(); alive != c.kept {
					t.Errorf("alive: %v, want %v", alive, c.kept)
				}
				if c.kept && gone > 0 {
					t.Error("gone, but alive")
				}
				abort(a)
				abort(b)
			})
		})
	}
}

func TestEvictedStreamsAreNeverHandedToWhoAsksForAny(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(100)
		for range 50 {
			_, s, err := client.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			abort(s.(*StreamConn))
		}
		time.Sleep(rtt/2 + time.Millisecond)
		for range 100 {
			c, s := take(t, client, server)
			usable(t, c, s)
		}
	})
}

// Half a megabyte and its end have arrived before anybody takes the stream.
func TestDataThatCameFirstIsDeliveredWhole(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	bothWays(t, func(t *testing.T, _ *world, a, b *StreamConn, pools [2]*Pool) {
		a.Close()
		b.Close()
		id, s, err := pools[0].IncomingGet(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(message); err != nil {
			t.Fatal(err)
		}
		s.Close()
		time.Sleep(time.Second / 2)
		other, err := pools[1].OutgoingGet(id, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Write([]byte("thanks")); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(other); err != nil || !bytes.Equal(got, message) {
			t.Errorf("read %d bytes of %d, %v", len(got), len(message), err)
		}
		other.Close()
		if got, err := io.ReadAll(s); string(got) != "thanks" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// A peer that fills the windows of idle streams stalls neither them nor others.
func TestUnreadStreamsDoNotStallTheirConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(64)
		for range 28 {
			_, s, err := client.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(make([]byte, firstStreamWindow)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		w.full(64, client)
		c, s := take(t, client, server)
		usable(t, s, c)
	})
}

func TestAPeerMayNotOpenUnidirectionalStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.bare()
		for _, conn := range []*quicgo.Conn{client, server} {
			if _, err := conn.OpenUniStream(); err == nil {
				t.Error("opened one")
			}
		}
		if _, err := server.OpenStream(); err == nil {
			t.Error("the server opened a stream")
		}
	})
}
