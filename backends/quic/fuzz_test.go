package quic

import (
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// Whatever bytes a peer makes of the exchange, they concern one stream alone.
func FuzzAnswer(f *testing.F) {
	for _, b := range []string{"", "\x00", "\x01", "\x00\x00", "\x00data", "np-quic"} {
		for how := range 3 {
			f.Add([]byte(b), byte(how))
		}
	}
	f.Fuzz(func(t *testing.T, written []byte, how byte) {
		inWorld(t, func(t *testing.T, w *world) {
			server := w.server(20)
			conn := w.stranger()
			good := openGood(t, conn)
			bad, err := openSync(t, conn)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = bad.Write(written)
			finish(bad, how)
			time.Sleep(rtt)
			answered := len(written) > 0 && written[0] == 0 && how%3 != 2
			if answered {
				got := make([]byte, 4)
				if _, err := io.ReadFull(bad, got); err != nil {
					t.Errorf("%q: no answer: %v", written, err)
				}
			}
			time.Sleep(2 * exchangeTimeout)
			checkGood(t, server, good)
			checkGood(t, server, openGood(t, conn))
		})
	})
}

func FuzzAsk(f *testing.F) {
	for _, b := range []string{"", "\x00", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "abc", "abcd", "abcdefgh"} {
		for how := range 3 {
			f.Add([]byte(b), byte(how))
		}
	}
	f.Fuzz(func(t *testing.T, written []byte, how byte) {
		inWorld(t, func(t *testing.T, w *world) {
			var ids atomic.Int32
			w.foreign(serverHost, alpn).serve(func(conn *quicgo.Conn) {
				echoFourth(conn, &ids, func(s *quicgo.Stream, _ []byte) {
					time.Sleep(time.Millisecond) // the first comes first
					_, _ = s.Write(written)
					finish(s, how)
				})
			})
			client := w.client(4, 4)
			first, err := client.OutgoingGet("00000000", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * exchangeTimeout)
			carries(t, first, first)
			if len(written) < 4 || how%3 != 0 || string(written[:3]) == "\x00\x00\x00" { // good ones begin so
				return
			}
			s, err := client.OutgoingGet(fmt.Sprintf("%x", written[:4]), 0)
			if err != nil {
				t.Fatalf("%q: %v", written, err)
			}
			rest := make([]byte, len(written)-4)
			if _, err := io.ReadFull(s, rest); err != nil || string(rest) != string(written[4:]) {
				t.Errorf("wrote %q, read %q, %v", written[4:], rest, err)
			}
		})
	})
}

// finish ends a stream, or does not.
func finish(s *quicgo.Stream, how byte) {
	switch how % 3 {
	case 1:
		_ = s.Close()
	case 2:
		reset(s, 9)
	}
}

// good is a stream that a foreigner has opened as it should.
type good struct {
	id poolkit.ID
	*quicgo.Stream
}

func openGood(t *testing.T, conn *quicgo.Conn) good {
	t.Helper()
	s, err := openSync(t, conn)
	if err != nil {
		t.Fatal(err)
	}
	id, err := ask(s)
	if err != nil {
		t.Fatal(err)
	}
	return good{id, s}
}

func checkGood(t *testing.T, server *Pool, g good) {
	t.Helper()
	s, err := server.OutgoingGet(g.id.String(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Write([]byte("to the server")); err != nil {
		t.Error(err)
	}
	_ = g.Close()
	if got, err := io.ReadAll(s); string(got) != "to the server" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Write([]byte("to the client")); err != nil {
		t.Error(err)
	}
	s.Close()
	if got, err := io.ReadAll(g); string(got) != "to the client" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
