package quic

import (
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// chatter is a foreigner that takes datagrams.
func (w *world) chatter(host int) (*foreigner, *quicgo.Config) {
	w.Helper()
	settings := foreignSettings()
	settings.EnableDatagrams = true
	return w.foreign(host, alpn), settings
}

// chat says the same on a connection ten times a second, until it ends.
func chat(conn *quicgo.Conn, what []byte) {
	for {
		_ = conn.SendDatagram(what) // fails when it is too long
		select {
		case <-conn.Context().Done():
			return
		case <-time.After(noticeEvery):
		}
	}
}

// chatServer is a server whose streams bring back what is written to them, and which
// says something on its connections. It counts them.
func (w *world) chatServer(what []byte) (handshakes *atomic.Int32) {
	w.Helper()
	f, settings := w.chatter(serverHost)
	ln, err := f.Listen(f.tls, settings)
	if err != nil {
		w.Fatal(err)
	}
	handshakes = new(atomic.Int32)
	var ids atomic.Uint32
	serve := func(conn *quicgo.Conn) { // ends with the connection
		for {
			s, err := conn.AcceptStream(conn.Context())
			if err != nil {
				return
			}
			go answer(s, ids.Add(1), nil, false)
		}
	}
	go func() { // ends with the transport
		for {
			conn, err := ln.Accept(w.Context())
			if err != nil {
				return
			}
			handshakes.Add(1)
			go chat(conn, what)
			go serve(conn)
		}
	}()
	return handshakes
}

func TestAServerThatAlwaysSaysItIsLeavingDoesNotMakeAClientSpin(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		handshakes := w.chatServer([]byte{noticeAway})
		client := w.dial(DialConfig{MinCapacity: 20, MaxCapacity: 20})
		time.Sleep(time.Minute)
		t.Logf("%d connections in a minute", handshakes.Load())
		if n := handshakes.Load(); n > 2*int32(time.Minute/heedAfter) {
			t.Errorf("%d connections in a minute", n)
		}
		if _, ok := client.TryAcquire(); !ok {
			t.Errorf("no stream is ready: %+v", client.Stats())
		}
	})
}

// Whatever a peer says by datagrams, streams go on.
func FuzzDatagrams(f *testing.F) {
	for _, what := range []string{"", "\x00", "\x01", "\x02", "\x01away", "\xff", string(make([]byte, 32)), string(make([]byte, 1300))} {
		f.Add([]byte(what))
	}
	f.Fuzz(func(t *testing.T, what []byte) {
		inWorld(t, func(t *testing.T, w *world) {
			w.chatServer(what)
			client := w.dial(DialConfig{MinCapacity: 3, MaxCapacity: 3})
			ready(t, 3, client)
			l, err := client.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				time.Sleep(time.Second)
				carries(t, l.Conn(), l.Conn())
			}
			l.Release()
			time.Sleep(time.Second)
			if s := client.Stats(); s.Idle != 3 {
				t.Errorf("want three idle streams: %+v", s)
			}
		})
		inWorld(t, func(t *testing.T, w *world) {
			server := w.listen(ListenConfig{})
			f, settings := w.chatter(clientHost)
			conn, err := f.Dial(t.Context(), w.Socket(serverHost).LocalAddr(), f.tls, settings)
			if err != nil {
				t.Fatal(err)
			}
			go chat(conn, what)
			taken, idle := openGood(t, conn), openGood(t, conn)
			l, err := server.AcquireID(t.Context(), taken.id)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(l.Conn(), l.Conn()) }()
			for range 10 {
				time.Sleep(time.Second)
				synctest.Wait()
				if _, err := taken.Write([]byte("!")); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(taken, make([]byte, 1)); err != nil {
					t.Error(err)
				}
			}
			alive(t, server, idle)
		})
	})
}
