package quic

import (
	"context"
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
	"github.com/vistone/poolkit/poolkit"
)

// badClient is what clients do wrong on a stream they have opened.
var badClient = map[string]func(s *quicgo.Stream){
	"another first byte":          func(s *quicgo.Stream) { _, _ = s.Write([]byte{1}) },
	"much else":                   func(s *quicgo.Stream) { _, _ = s.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
	"nothing":                     func(s *quicgo.Stream) { _, _ = s.Write(nil) },
	"an end without a byte":       func(s *quicgo.Stream) { _ = s.Close() },
	"a reset without a byte":      func(s *quicgo.Stream) { reset(s, 9) },
	"a reset after the byte":      func(s *quicgo.Stream) { _, _ = s.Write([]byte{0}); reset(s, 9) },
	"a byte, but no wish to read": func(s *quicgo.Stream) { s.CancelRead(9); _, _ = s.Write([]byte{0}) },
}

func TestAServerRefusesABadStreamAndNobodyElseNotices(t *testing.T) {
	for name, misbehave := range badClient {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				server := w.server(20)
				conn := w.stranger()
				client := w.clientAt(thirdHost, 20, 20)
				w.full(20, client)
				before, err := openSync(t, conn)
				if err != nil {
					t.Fatal(err)
				}
				first, err := ask(before)
				if err != nil {
					t.Fatal(err)
				}
				bads := 3 * places // more than there are places
				if name == "nothing" {
					bads = places / 2 // the server sees them once a later one has been written to
				}
				for range bads {
					bad, err := openSync(t, conn)
					if err != nil {
						t.Fatal(err)
					}
					misbehave(bad)
					go func() {
						if n, err := io.Copy(io.Discard, bad); err == nil && n > 4 {
							t.Errorf("read %d bytes", n)
						}
						reset(bad, 9)
					}()
				}
				after, err := openSync(t, conn)
				if err != nil {
					t.Fatal(err)
				}
				second, err := ask(after)
				if err != nil {
					t.Fatal(err)
				}
				for id, s := range map[poolkit.ID]*quicgo.Stream{first: before, second: after} {
					got, err := server.OutgoingGet(id.String(), time.Second)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := got.Write([]byte("x")); err != nil {
						t.Error(err)
					}
					if _, err := s.Read(make([]byte, 1)); err != nil {
						t.Error(err)
					}
					got.Close()
					reset(s, 9)
				}
				time.Sleep(2 * exchangeTimeout)
				settled(t, 20, client, server)
				works(t, 20, client, server)
			})
		})
	}
}

// badServer is what servers do wrong with a stream that asks for an ID.
var badServer = map[string]func(s *quicgo.Stream, id []byte){
	"nothing":           func(*quicgo.Stream, []byte) {},
	"three bytes":       func(s *quicgo.Stream, id []byte) { _, _ = s.Write(id[:3]) },
	"three and an end":  func(s *quicgo.Stream, id []byte) { _, _ = s.Write(id[:3]); _ = s.Close() },
	"three and a reset": func(s *quicgo.Stream, id []byte) { _, _ = s.Write(id[:3]); reset(s, 9) },
	"an end":            func(s *quicgo.Stream, _ []byte) { _ = s.Close() },
	"a reset":           func(s *quicgo.Stream, _ []byte) { reset(s, 9) },
	"a duplicate ID": func(s *quicgo.Stream, _ []byte) {
		time.Sleep(time.Millisecond) // the first comes first
		_, _ = s.Write(make([]byte, 4))
	},
	"an ID and an end":   func(s *quicgo.Stream, id []byte) { _, _ = s.Write(id); _ = s.Close() },
	"an ID and a reset":  func(s *quicgo.Stream, id []byte) { _, _ = s.Write(id); reset(s, 9) },
	"no wish to read it": func(s *quicgo.Stream, _ []byte) { s.CancelRead(9) },
}

// Every fourth stream is good, the first among them. What is bad is tried again at
// the pace of failures, and the pool is full in the end.
func TestAClientRefusesABadStreamAndTheOthersWork(t *testing.T) {
	for name, misbehave := range badServer {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var conns, ids atomic.Int32
				w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
					conns.Add(1)
					echoFourth(conn, &ids, misbehave)
				})
				client := w.client(8, 8)
				first, err := client.OutgoingGet("00000000", time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Minute)
				if n := client.Active(); n != 8 {
					t.Errorf("%d idle streams, want 8: %+v", n, stats(client))
				}
				for range 8 {
					_, s, err := client.IncomingGet(0)
					if err != nil {
						t.Fatal(err)
					}
					carries(t, s, s) // it echoes
				}
				carries(t, first, first)
				t.Logf("%d connections in all", conns.Load())
				if n := conns.Load(); n > 40 {
					t.Errorf("%d connections in all", n)
				}
			})
		})
	}
}

// echoFourth echoes on every fourth stream, and misbehaves on the others. All
// connections share the counter of IDs.
func echoFourth(conn *quicgo.Conn, ids *atomic.Int32, misbehave func(*quicgo.Stream, []byte)) {
	for {
		s, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		i := uint32(ids.Add(1)) - 1
		id := binary.BigEndian.AppendUint32(nil, i)
		if i%4 != 0 {
			misbehave(s, id)
			continue
		}
		go func() { // ends with the connection, at the latest
			if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
				return
			}
			_, _ = s.Write(id)
			_, _ = io.Copy(s, s)
			reset(s, 9)
		}()
	}
}

// A peer that fails on every stream is asked at the pace of failures, and getters
// end at their timeout.
func TestAServerThatIsAlwaysBadDoesNotMakeAClientSpin(t *testing.T) {
	for name, misbehave := range badServer {
		if name == "a duplicate ID" { // only the second is one
			continue
		}
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var mu sync.Mutex
				var at []time.Duration
				begun := time.Now()
				w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
					for {
						s, err := conn.AcceptStream(context.Background())
						if err != nil {
							return
						}
						mu.Lock()
						at = append(at, time.Since(begun))
						id := []byte{1, 2, 3, byte(len(at))}
						mu.Unlock()
						misbehave(s, id)
					}
				})
				client := w.client(8, 8)
				time.Sleep(time.Minute)
				mu.Lock()
				n := len(at)
				mu.Unlock()
				_, err := client.OutgoingGet("ffffffff", time.Minute)
				compattest.IsTimeout(t, err)
				mu.Lock()
				defer mu.Unlock()
				t.Logf("%d streams in the first minute, %d in the second", n, len(at)-n)
				if n > 120 || len(at)-n > 60 {
					t.Errorf("%d streams in the first minute, %d in the second", n, len(at)-n)
				}
			})
		})
	}
}
