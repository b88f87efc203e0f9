package tcp

import (
	"context"
	"net"
	"testing"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

func TestAPoolThatDialsTCPIsABackend(t *testing.T) { conforms(t, false) }

func TestAPoolThatDialsTLSIsABackend(t *testing.T) { conforms(t, true) }

func conforms(t *testing.T, secure bool) {
	pooltest.Run(t, func(tb testing.TB) pooltest.Backend[*Conn] {
		var network pooltest.Gate
		s, cfg := serverThat(tb, secure, func(conn net.Conn) { echoOver(conn, &network) })
		cfg.DialContext = dialThrough(&network)
		d, _, err := cfg.dialer()
		if err != nil {
			tb.Fatal(err)
		}
		return pooltest.Backend[*Conn]{
			Config:   cfg.core(d),
			Echo:     pooltest.Echo[*Conn],
			PeerOpen: s.open,
			Kill:     func(_ poolkit.ID, c *Conn) { s.closeFrom(c.LocalAddr()) },
			Refuse:   s.refuse,
			Stall:    network.Close,
			Recover: func() {
				network.Open()
				s.recover()
			},
		}
	})
}

// dialThrough dials while the network is up. While it is down nothing arrives at either
// end, but the system answers whoever connects: that is held back here.
func dialThrough(network *pooltest.Gate) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, proto, addr string) (net.Conn, error) {
		if err := network.Pass(ctx); err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, proto, addr)
	}
}

// echoOver answers with what it reads, while the network is up.
func echoOver(conn net.Conn, network *pooltest.Gate) {
	defer conn.Close()
	for buf := make([]byte, 1024); ; {
		n, err := conn.Read(buf)
		if err != nil || network.Pass(context.Background()) != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}
