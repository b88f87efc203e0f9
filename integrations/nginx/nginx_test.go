// Package nginx tries http.Transport, unchanged, over a pool of TLS connections to a
// real nginx.
package nginx

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/integrations/internal/outage"
	"github.com/vistone/poolkit/integrations/internal/servers"
	"github.com/vistone/poolkit/integrations/internal/start"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// protocols are what a server is asked for, and what it answers with.
var protocols = map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"}

// dial returns a pool that keeps n connections ready, on which that protocol has been
// agreed.
func dial(tb testing.TB, s *servers.Server, n int, protocol string) *poolkit.Pool[*tcp.Conn] {
	tb.Helper()
	conf := s.TLS.Clone()
	conf.NextProtos = []string{protocol}
	pool, err := tcp.Dial(tcp.DialConfig{Addr: s.Addr, TLS: conf, MinCapacity: n, MaxCapacity: n})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { pool.Close() })
	if err := pool.WaitReady(tb.Context(), 0); err != nil {
		tb.Fatal(err)
	}
	return pool
}

// over returns a transport over a pool. It is given the bare connections, since it asks
// those for the protocol.
func over(pool *poolkit.Pool[*tcp.Conn]) *http.Transport {
	bare := poolnet.NewDialer(pool).HandingOver(func(c *tcp.Conn) net.Conn { return c.NetConn() })
	return &http.Transport{
		DialTLSContext: bare.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: outage.Clients,
	}
}

// get asks for a page, and checks the answer.
func get(ctx context.Context, transport *http.Transport, s *servers.Server, protocol string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.Addr, nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if string(body) != "ready\n" || response.Proto != protocols[protocol] {
		return fmt.Errorf("the answer is %q by %s", body, response.Proto)
	}
	return nil
}

func TestATransportSurvivesARestart(t *testing.T) {
	for protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			s := servers.Nginx(t)
			pool := dial(t, s, 8, protocol)
			transport := over(pool)
			defer transport.CloseIdleConnections()
			outage.Survive(t, s, pool, func(ctx context.Context) error {
				return get(ctx, transport, s, protocol)
			})
		})
	}
}

// A client that has just been started needs its first answer: the pool has done the
// TLS handshake already.
func BenchmarkColdStart(b *testing.B) {
	for protocol := range protocols {
		b.Run(protocol, func(b *testing.B) {
			s := servers.Nginx(b)
			pool := dial(b, s, 4, protocol)
			first := func(transport *http.Transport) error {
				defer transport.CloseIdleConnections()
				return get(context.Background(), transport, s, protocol)
			}
			conf := s.TLS.Clone()
			conf.NextProtos = []string{protocol}
			start.Compare(b, pool,
				func() error {
					return first(&http.Transport{TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: protocol == "h2"})
				},
				func() error { return first(over(pool)) })
		})
	}
}
