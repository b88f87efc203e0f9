package quic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

func TestAConnectionThatCarriesNoStreamForAMinuteIsClosed(t *testing.T) {
	for name, idle := range map[string]func(conn *quicgo.Conn){
		"it opens none": func(*quicgo.Conn) {},
		"it always has some that do not ask for an ID": func(conn *quicgo.Conn) {
			for range 20 {
				for range 3 {
					if _, err := conn.OpenStream(); err != nil {
						return
					}
				}
				if s, err := conn.OpenStream(); err == nil {
					_, _ = s.Write([]byte{1}) // the server sees the others, too
				}
				select {
				case <-time.After(exchangeTimeout / 2):
				case <-conn.Context().Done():
				}
			}
		},
		"it ends the one that it had": func(conn *quicgo.Conn) {
			if s, err := conn.OpenStream(); err == nil {
				_, _ = ask(s)
				reset(s, 9)
			}
		},
		"it ends the one that it had for long": func(conn *quicgo.Conn) {
			if s, err := conn.OpenStream(); err == nil {
				_, _ = ask(s)
				time.Sleep(10 * serverVacancy)
				reset(s, 9)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				_, a := w.guarded(acceptorConfig{})
				conn := w.foreign(clientHost, alpn).connect(w.Socket(serverHost).LocalAddr())
				other := w.foreign(thirdHost, alpn).connect(w.Socket(serverHost).LocalAddr())
				s, err := other.OpenStream()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ask(s); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				idle(conn)
				if name == "it ends the one that it had for long" {
					begun = time.Now()
				}
				<-conn.Context().Done()
				var closed *quicgo.ApplicationError
				if err := context.Cause(conn.Context()); !errors.As(err, &closed) || !closed.Remote || closed.ErrorCode != codeDone {
					t.Errorf("the client is told %v", err)
				}
				if took := time.Since(begun); took < serverVacancy-beat || took > serverVacancy+beat+3*rtt {
					t.Errorf("the connection was closed after %v", took)
				}
				time.Sleep(time.Hour)
				if err := context.Cause(other.Context()); err != nil || a.connections() != 1 {
					t.Errorf("a connection with a stream was closed: %v", err)
				}
			})
		})
	}
}

// A minute is longer than our own clients keep a connection that they do not need.
func TestAClientIsTheFirstToCloseAConnectionThatItDoesNotNeed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, a := w.guarded(acceptorConfig{})
		conn := make(chan *quicgo.Conn, 1)
		client := w.dial(DialConfig{MinCapacity: 1, MaxCapacity: 1})
		l, err := client.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn <- l.Conn().conn.Conn
		client.Resize(0, 0)
		l.Discard()
		c := <-conn
		begun := time.Now()
		<-c.Context().Done()
		var closed *quicgo.ApplicationError
		if err := context.Cause(c.Context()); !errors.As(err, &closed) || closed.Remote {
			t.Errorf("the connection ended with %v", err)
		}
		if took := time.Since(begun); took < vacancy || took >= serverVacancy {
			t.Errorf("after %v", took)
		}
		time.Sleep(rtt)
		synctest.Wait()
		if n := a.connections(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// A connection may end before the server has taken it from quic-go.
func TestAConnectionThatHasEndedIsNotPatrolled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		g := newGuard(nil, Limits{}, nil)
		server := &quicgo.Transport{Conn: w.Socket(serverHost), ConnContext: g.greet}
		t.Cleanup(func() { server.Close() })
		ln, err := server.Listen(withALPN(w.tls), serverSettings())
		if err != nil {
			t.Fatal(err)
		}
		client := w.stranger()
		time.Sleep(rtt)
		_ = client.CloseWithError(0, "")
		time.Sleep(rtt)
		conn, err := ln.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if conn.Context().Err() == nil {
			t.Fatal("the connection has not ended")
		}
		g.arrive(conn)
		if n := len(g.guests); n != 0 {
			t.Errorf("%d connections are patrolled", n)
		}
	})
}
