package quic

import (
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// writePieces writes bytes a few at a time, each in a packet of its own where slow.
func writePieces(s *quicgo.Stream, b []byte, size byte, slow bool) {
	for n := int(size%5) + 1; len(b) > 0; b = b[min(n, len(b)):] {
		if _, err := s.Write(b[:min(n, len(b))]); err != nil {
			return
		}
		if slow {
			time.Sleep(rtt / 10)
		}
	}
}

func seedPieces(f *testing.F, messages ...string) {
	f.Helper()
	for _, b := range messages {
		for how := range 3 {
			f.Add([]byte(b), byte(how), byte(how), how == 1)
			f.Add([]byte(b), byte(4), byte(how), how == 0)
		}
	}
}

// Whatever a client begins a stream with, the other streams of its connection go on,
// and all 127 other places are there once that stream has ended.
func FuzzAnswerFreesThePlace(f *testing.F) {
	seedPieces(f, "", "\x00", "\x01", "\x00\x00", "\x00\x01\x02\x03\x04", "\xff\x00\x00", "abcde")
	f.Fuzz(func(t *testing.T, written []byte, size, how byte, slow bool) {
		inWorld(t, func(t *testing.T, w *world) {
			server := w.server(20)
			conn := w.stranger()
			first := openGood(t, conn)
			bad, err := openSync(t, conn)
			if err != nil {
				t.Fatal(err)
			}
			writePieces(bad, written[:min(len(written), 1000)], size, slow)
			finish(bad, how)
			time.Sleep(2 * exchangeTimeout)
			reset(bad, 9)
			time.Sleep(time.Second)
			synctest.Wait()
			settled(t, 1, server)
			for range places - 1 {
				openGood(t, conn)
			}
			synctest.Wait()
			settled(t, places, server)
			checkGood(t, server, first)
		})
	})
}

// Whatever a server answers, the client's other streams go on, and as soon as the
// server answers as it should the client has all that it wants.
func FuzzAskFreesThePlace(f *testing.F) {
	seedPieces(f, "", "\x00", "\x00\x00\x00", "\x00\x00\x00\x00", "\x00\x00\x00\x01", "abc", "abcd", "abcde", "\x00\x00\x00\x00\x00")
	f.Fuzz(func(t *testing.T, written []byte, size, how byte, slow bool) {
		inWorld(t, func(t *testing.T, w *world) {
			const bad = 10 // streams
			answered := make(chan byte, 1000)
			for i := range cap(answered) {
				answered <- byte(i)
			}
			handle := func(s *quicgo.Stream) {
				if _, err := s.Read(make([]byte, 1)); err != nil {
					return
				}
				n := <-answered
				if n == 0 || n > bad {
					_, _ = s.Write([]byte{0, 0, 0, n})
					b := make([]byte, 100)
					for {
						n, err := s.Read(b)
						if err != nil {
							return
						}
						_, _ = s.Write(b[:n])
					}
				}
				time.Sleep(time.Millisecond) // the first comes first
				writePieces(s, written[:min(len(written), 1000)], size, slow)
				finish(s, how)
				select {
				case <-time.After(time.Minute):
				case <-t.Context().Done():
				}
				reset(s, 9)
			}
			w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
				for {
					s, err := conn.AcceptStream(t.Context())
					if err != nil {
						return
					}
					go handle(s) // ends with the connection, or a minute later
				}
			})
			client := w.client(3, 3)
			first, err := client.OutgoingGet("00000000", 2*exchangeTimeout)
			if err != nil {
				t.Fatal(err)
			}
			carries(t, first, first)
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			carries(t, first, first)
			first.Close()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			settled(t, 3, client)
		})
	})
}
