package quic

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// flow is a stream that carries bytes one way.
type flow struct {
	from io.Writer
	to   io.Reader
}

// chunk is how much io.Copy reads and writes at a time.
const chunk = 32 << 10

// run sends so many chunks on each flow, all at once, and returns how long they took to
// arrive.
func run(tb testing.TB, flows []flow, chunks int) time.Duration {
	begun := time.Now()
	var wg sync.WaitGroup
	for _, f := range flows {
		wg.Go(func() {
			b := make([]byte, chunk)
			for range chunks {
				if _, err := f.from.Write(b); err != nil {
					tb.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(f.to, int64(chunks*chunk)), make([]byte, chunk)); err != nil {
				tb.Error(err)
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

// network returns its next socket.
type network func() net.PacketConn

// loopbackSocket returns sockets on loopback.
func loopbackSocket(tb testing.TB) network {
	return func() net.PacketConn {
		s, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	}
}

// distant returns so many sockets, with a path of the given round trip time between
// any two.
func distant(tb testing.TB, n int, rtt time.Duration) network {
	sim, next := simtest.New(tb, n, rtt), 0
	return func() net.PacketConn {
		next++
		return sim.Socket(next - 1)
	}
}

// bareFlows returns a stream on each of n connections to one server without pools, with
// the pools' settings.
func bareFlows(tb testing.TB, conf *tls.Config, socket network, n int) []flow {
	server := &quicgo.Transport{Conn: socket()}
	tb.Cleanup(func() { server.Close() })
	ln, err := server.Listen(withALPN(conf), serverSettings())
	if err != nil {
		tb.Fatal(err)
	}
	flows := make([]flow, n)
	for i := range flows {
		client := &quicgo.Transport{Conn: socket()}
		tb.Cleanup(func() { client.Close() })
		dialled, err := client.Dial(tb.Context(), server.Conn.LocalAddr(), withALPN(simtest.Trust(conf)), clientSettings(0))
		if err != nil {
			tb.Fatal(err)
		}
		accepted, err := ln.Accept(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		from, err := dialled.OpenStream()
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := from.Write([]byte{hello}); err != nil {
			tb.Fatal(err)
		}
		to, err := accepted.AcceptStream(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
			tb.Fatal(err)
		}
		flows[i] = flow{from, to}
	}
	return flows
}

// pooledFlows returns a stream from each of n pools, which have a connection each to
// the pool of one server.
func pooledFlows(tb testing.TB, conf *tls.Config, socket network, n int) []flow {
	at := socket()
	server, err := Listen(ListenConfig{PacketConn: at, TLS: conf})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { server.Close() })
	flows := make([]flow, n)
	for i := range flows {
		client, err := Dial(DialConfig{Addr: at.LocalAddr().String(), TLS: simtest.Trust(conf), PacketConn: socket()})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { client.Close() })
		from, err := client.Acquire(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		to, err := server.AcquireID(tb.Context(), from.ID())
		if err != nil {
			tb.Fatal(err)
		}
		flows[i] = flow{from.Conn(), to.Conn()}
	}
	return flows
}

// BenchmarkThroughput measures, in short rounds that alternate, what pooled streams
// carry against bare ones of quic-go: one stream on each connection. The ratio is the
// median of the rounds'. The path of 50 ms is simulated, in real time.
func BenchmarkThroughput(b *testing.B) {
	for _, rtt := range []time.Duration{0, 50 * time.Millisecond} {
		for _, conns := range []int{1, 8} {
			b.Run(fmt.Sprintf("rtt=%v/conns=%d", rtt, conns), func(b *testing.B) {
				socket := loopbackSocket(b)
				chunks := 256 / conns
				if rtt > 0 {
					socket = distant(b, 2*conns+2, rtt)
					chunks = (1 << 18) / chunk // more overflows queues, and what is left of the rate then is chance
				}
				conf := simtest.Certificate(b)
				kinds := [2][]flow{bareFlows(b, conf, socket, conns), pooledFlows(b, conf, socket, conns)}
				for _, flows := range kinds { // windows grow
					for range 8 {
						run(b, flows, chunks)
					}
				}
				var ratios, rates []float64
				for i := 0; b.Loop(); i++ {
					var took [2]time.Duration
					for _, kind := range [2]int{i % 2, 1 - i%2} {
						took[kind] = run(b, kinds[kind], chunks)
					}
					ratios = append(ratios, took[0].Seconds()/took[1].Seconds())
					rates = append(rates, float64(conns*chunks*chunk)/took[1].Seconds()/1e6)
				}
				b.ReportMetric(median(ratios), "pooled/bare")
				b.ReportMetric(median(rates), "MB/s")
			})
		}
	}
}
