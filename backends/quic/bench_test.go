package quic

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// barePair is one quic-go connection over loopback and the two sides' transports.
func barePair(t testing.TB) (client, server *quicgo.Conn) {
	t.Helper()
	listen := func() *quicgo.Transport {
		sock, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tr := &quicgo.Transport{Conn: sock}
		t.Cleanup(func() { tr.Close(); sock.Close() })
		return tr
	}
	st, ct := listen(), listen()
	ln, err := st.Listen(withALPN(testCertificate(t)), serverSettings())
	if err != nil {
		t.Fatal(err)
	}
	conf, _ := clientTLS("0", "localhost")
	client, err = ct.Dial(t.Context(), st.Conn.LocalAddr(), withALPN(conf), clientSettings(0))
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// bareCycles opens, introduces and closes n streams from so many workers, as a
// program without a pool would.
func bareCycles(t testing.TB, client, server *quicgo.Conn, workers, n int) time.Duration {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			s, err := server.AcceptStream(ctx)
			if err != nil {
				return
			}
			serving.Go(func() {
				var b [1]byte
				io.ReadFull(s, b[:])
				s.Write([]byte{1, 2, 3, 4})
				s.CancelRead(0)
				s.Close()
			})
		}
	})
	var left atomic.Int64
	left.Store(int64(n))
	begun := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				s, err := client.OpenStreamSync(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				s.Write([]byte{0})
				var b [4]byte
				io.ReadFull(s, b[:])
				s.CancelRead(0)
				s.Close()
			}
		})
	}
	wg.Wait()
	took := time.Since(begun)
	cancel()
	serving.Wait()
	return took
}

// pooledCycles takes n streams at both ends, the client by the ID that the server
// got, and closes them.
func pooledCycles(t testing.TB, client, server *Pool, workers, n int) time.Duration {
	var left atomic.Int64
	left.Store(int64(n))
	begun := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				id, s, err := server.IncomingGet(10 * time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				c, err := client.OutgoingGet(id, 10*time.Second)
				if err != nil {
					t.Error(err)
					return
				}
				c.Close()
				s.Close()
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

func TestRatio(t *testing.T) {
	bc, bs := barePair(t)
	client, server := pair(t, 128, 128, 100*time.Millisecond)
	const n = 20000
	for range 4 {
		b := bareCycles(t, bc, bs, 64, n)
		p := pooledCycles(t, client, server, 64, n)
		t.Logf("bare %.0f/s pooled %.0f/s ratio %.2f  %+v", n/b.Seconds(), n/p.Seconds(), b.Seconds()/p.Seconds(), client.core.Stats())
	}
}
