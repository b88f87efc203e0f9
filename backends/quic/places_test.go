package quic

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// endings are ways in which two ends part from a stream. They come to the same: both
// ends close.
var endings = []func(a, b *StreamConn){
	func(a, b *StreamConn) {},
	func(a, b *StreamConn) { _, _ = a.Write([]byte("never read")) },
	func(a, b *StreamConn) { _, _ = a.Write([]byte("never read")); _, _ = b.Write([]byte("nor this")) },
	func(a, b *StreamConn) { _ = a.CloseWrite(); _, _ = io.ReadAll(b) },
	func(a, b *StreamConn) { _ = a.CloseWrite(); _ = b.CloseWrite(); _, _ = io.ReadAll(a) },
	func(a, b *StreamConn) { _ = a.CloseRead() },
	func(a, b *StreamConn) { _ = a.Abort() },
	func(a, b *StreamConn) { _, _ = a.Write([]byte("cut off")); _ = b.Abort() },
	func(a, b *StreamConn) { a.Close(); time.Sleep(rtt) },
}

// churn takes so many streams, at the first end any and at the second the same, and
// closes them in all the ways there are.
func churn(t *testing.T, first, second *native, chance *rand.Rand, workers, cycles int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Hour)
	defer stop()
	var left atomic.Int64
	left.Store(int64(cycles))
	var wg sync.WaitGroup
	for range workers {
		mine := rand.New(rand.NewPCG(chance.Uint64(), 0))
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				a, err := first.Acquire(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				b, err := second.AcquireID(ctx, a.ID())
				if err != nil {
					t.Error(err)
					return
				}
				endings[mine.IntN(len(endings))](a.Conn(), b.Conn())
				a.Conn().Close()
				b.Conn().Close()
			}
		})
	}
	wg.Wait()
}

// bothEnds starts a client pool and a server pool of so many full connections, and no
// more, and returns what they are made of as well. They are closed with the test.
func (w *world) bothEnds(shards int, gentle bool) (client, server *native, d *dialer, a *acceptor) {
	w.Helper()
	conf, err := clientTLS("0", "localhost")
	if err != nil {
		w.Fatal(err)
	}
	partings := func() *alarms {
		if gentle {
			return &alarms{delay: patience}
		}
		return nil
	}
	server, a = w.guarded(acceptorConfig{partings: partings()})
	d = newDialer(fixed(w.Addr(serverHost)), conf, clientSettings(0), w.Socket(clientHost))
	d.partings = partings()
	n := places * shards
	cfg := d.poolConfig(n, n, nil, poolkit.Hooks{})
	cfg.MaxShards = shards
	client, err = poolkit.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { client.Close() })
	if err := client.WaitReady(w.Context(), n); err != nil {
		w.Fatal(err)
	}
	return client, server, d, a
}

// In the end every connection takes 128 streams again, all within one round trip. Had
// a place been lost at either end, they would not fit. In full: 64 connections, and
// 100 000 streams that both ends take and close.
func TestAfterManyCyclesEveryPlaceOfEveryConnectionIsFree(t *testing.T) {
	shards := scaled(16, maxShards)
	all := places * shards
	for name, gentle := range map[string]bool{"strict": false, "gentle": true} {
		t.Run(name, func(t *testing.T) {
			chance := seeded(t)
			inWorld(t, func(t *testing.T, w *world) {
				client, server, d, a := w.bothEnds(shards, gentle)
				before := d.open()
				begun := time.Now()
				churn(t, client, server, chance, 256, scaled(2_000, 50_000))
				churn(t, server, client, chance, 256, scaled(2_000, 50_000))
				t.Logf("%v in virtual time", time.Since(begun))
				time.Sleep(time.Minute) // a connection counts as full for ten seconds

				check := func(n int) {
					t.Helper()
					nothingElse(t, n, client, server)
					for _, l := range d.open() {
						if was := slices.Contains(before, l); !was || l.load() != n/shards {
							t.Errorf("%d streams on a connection, want %d; it has been there from the beginning: %v", l.load(), n/shards, was)
						}
					}
					if n := a.connections(); n != shards {
						t.Errorf("the server has %d connections", n)
					}
				}
				check(all)
				client.Resize(0, 0)
				time.Sleep(vacancy / 2)
				check(0)
				begun = time.Now()
				client.Resize(all, all)
				ctx, stop := context.WithTimeout(t.Context(), time.Minute)
				defer stop()
				if err := client.WaitReady(ctx, all); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took != rtt {
					t.Errorf("full again after %v, want %v", took, rtt)
				}
				time.Sleep(rtt)
				check(all)
			})
		})
	}
}
