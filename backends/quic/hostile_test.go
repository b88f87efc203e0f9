package quic

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// hostile is connections that send all they may, to a server that reads for a while, so
// that windows grow, and then no more.
type hostile struct {
	mu            sync.Mutex
	written, read int64 // guarded by mu
}

func (h *hostile) add(to *int64, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*to += n
}

// send writes to a stream of a server's pool for ten seconds.
func (h *hostile) send(t *testing.T, conn *quicgo.Conn) {
	s, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	_ = s.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := s.Write([]byte{hello}); err != nil {
		t.Error(err)
		return
	}
	if _, err := io.ReadFull(s, make([]byte, serverPreface)); err != nil {
		t.Error(err)
		return
	}
	n := fill(t, s)
	h.add(&h.written, n)
}

func TestWhatHostilePeersMakeAServerHoldIsBounded(t *testing.T) {
	for _, c := range []struct {
		conns, streams int
		limit, read    int64
	}{
		{1, 5, 16 << 20, 6 << 20},
		{scaled(8, 64), 2, 16 << 20, 2 << 20},
	} {
		t.Run(fmt.Sprint(c.conns), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				server, a := w.guarded(acceptorConfig{memory: c.limit})
				foe := &quicgo.Transport{Conn: w.Socket(clientHost)}
				defer foe.Close()
				var h hostile
				var wg sync.WaitGroup
				for range c.conns {
					conn, err := foe.Dial(t.Context(), w.Socket(serverHost).LocalAddr(), withALPN(simtest.Trust(w.tls)), clientSettings(0))
					if err != nil {
						t.Fatal(err)
					}
					for range c.streams {
						wg.Go(func() { h.send(t, conn) })
					}
				}
				for range c.streams * c.conns {
					l, err := server.Acquire(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					wg.Go(func() {
						n, _ := io.CopyN(io.Discard, l.Conn(), c.read)
						h.add(&h.read, n)
					})
				}
				wg.Wait()
				held := h.written - h.read
				bound := c.limit + int64(c.conns)*baseWindow
				t.Logf("%d connections make the server hold %d KiB of at most %d", c.conns, held>>10, bound>>10)
				if held > bound {
					t.Errorf("%d bytes are held, more than %d", held, bound)
				}
				if held < int64(c.conns)*baseWindow/2 {
					t.Errorf("only %d bytes are held: this is no test", held)
				}

				// There is something left for whoever comes now, and it comes back.
				client := w.dial(DialConfig{PacketConn: w.Socket(thirdHost)})
				c, s := borrow(t, client, server)
				begun := time.Now()
				go func() { _, _ = c.Conn().Write(make([]byte, 1<<20)); _ = c.Conn().CloseWrite() }()
				if n, err := io.Copy(io.Discard, s.Conn()); n != 1<<20 || err != nil {
					t.Errorf("read %d bytes: %v", n, err)
				}
				if took := time.Since(begun); took > 20*rtt {
					t.Errorf("a mebibyte took %.1f round trips", trips(took))
				}
				_ = foe.Close()
				client.Close()
				time.Sleep(time.Minute)
				whole(t, a.budget)
			})
		})
	}
}
