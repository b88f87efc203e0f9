package quic

import (
	"context"
	"io"
	"net"
	"slices"
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
				_, _ = io.ReadFull(s, b[:]) // a failure shows at the client
				_, _ = s.Write([]byte{1, 2, 3, 4})
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
				var b [4]byte
				if _, err := s.Write([]byte{0}); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(s, b[:]); err != nil {
					t.Error(err)
				}
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

// BenchmarkPairs measures, in rounds that alternate, how many pairs of streams 64
// workers take and close in a second, against what bare quic-go opens and closes.
// The ratio is the median of the rounds'.
func BenchmarkPairs(b *testing.B) {
	const workers, perRound = 64, 4000
	for _, minIvl := range []time.Duration{time.Millisecond, 100 * time.Millisecond} {
		b.Run("minIvl="+minIvl.String(), func(b *testing.B) {
			bareClient, bareServer := barePair(b)
			client, server := pair(b, 256, 256, minIvl)
			waitFull(b, client, server, 256)
			var ratios, rates []float64
			for b.Loop() {
				bare := bareCycles(b, bareClient, bareServer, workers, perRound)
				pooled := pooledCycles(b, client, server, workers, perRound)
				ratios = append(ratios, bare.Seconds()/pooled.Seconds())
				rates = append(rates, perRound/pooled.Seconds())
			}
			b.ReportMetric(median(ratios), "pooled/bare")
			b.ReportMetric(median(rates), "pairs/s")
		})
	}
}

// BenchmarkBurst measures how long each of 256 simultaneous gets waits when 64
// streams are idle.
func BenchmarkBurst(b *testing.B) {
	const idle, burst = 64, 256
	client, server := pair(b, idle, idle, 100*time.Millisecond)
	var waits []float64
	for b.Loop() {
		waitFull(b, client, server, idle)
		took := make([]time.Duration, burst)
		var wg sync.WaitGroup
		begun := time.Now()
		for i := range burst {
			wg.Go(func() {
				_, c, err := client.IncomingGet(10 * time.Second)
				if err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(begun)
				c.Close()
			})
		}
		wg.Wait()
		for _, d := range took {
			waits = append(waits, d.Seconds()*1e3)
		}
	}
	slices.Sort(waits)
	b.ReportMetric(waits[len(waits)/2], "p50-ms")
	b.ReportMetric(waits[len(waits)*99/100], "p99-ms")
}

func waitFull(b *testing.B, client, server *Pool, n int) {
	b.Helper()
	for _, p := range []*Pool{server, client} {
		core, err := p.shared.Opened(b.Context())
		if err == nil {
			err = core.WaitReady(b.Context(), n)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
