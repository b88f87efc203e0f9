package tcp

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/trust"
)

func TestBadConfigurationsAreRefusedAtOnce(t *testing.T) {
	resolve := func(context.Context) ([]string, error) { return nil, nil }
	for name, c := range map[string]struct {
		cfg  DialConfig
		says string
	}{
		"nowhere":             {DialConfig{}, "DialConfig.Addr is empty"},
		"both":                {DialConfig{Addr: "a:1", Resolve: resolve}, "both Addr and Resolve"},
		"no port":             {DialConfig{Addr: "db"}, "must be host:port"},
		"an empty address":    {DialConfig{Addr: "a:1,"}, "must be host:port"},
		"no host":             {DialConfig{Addr: ":5432"}, "has no host"},
		"port 0":              {DialConfig{Addr: "db:0"}, "has no port"},
		"too high a port":     {DialConfig{Addr: "db:65536"}, "has no port"},
		"an unknown service":  {DialConfig{Addr: "db:nonesuch"}, "has no port"},
		"no pins":             {DialConfig{Addr: "db:1", Trust: trust.Pins{}}, "DialConfig.Trust"},
		"renegotiation":       {DialConfig{Addr: "db:1", TLS: &tls.Config{Renegotiation: tls.RenegotiateFreelyAsClient}}, "leave it out"},
		"a negative timeout":  {DialConfig{Addr: "db:1", DialTimeout: -1}, "DialTimeout is negative"},
		"a negative bound":    {DialConfig{Addr: "db:1", MaxOpen: -1}, "MaxOpen is -1"},
		"no room":             {DialConfig{Addr: "db:1", MinCapacity: 10, MaxCapacity: 10, MaxOpen: 9}, "at least MinCapacity, 10"},
		"a negative capacity": {DialConfig{Addr: "db:1", MinCapacity: -1, MaxCapacity: 10}, "MinCapacity is negative"},
		"an interval alone":   {DialConfig{Addr: "db:1", ProbeInterval: time.Second}, "no Probe: set it"},
		"a negative interval": {DialConfig{Addr: "db:1", ProbeInterval: -1, Probe: exchangeUnder}, "is negative"},
		"a negative age":      {DialConfig{Addr: "db:1", MaxAge: -1}, "MaxAge is negative"},
		"a negative idleness": {DialConfig{Addr: "db:1", MaxIdle: -1}, "MaxIdle is negative"},
		"negative uses":       {DialConfig{Addr: "db:1", MaxUses: -1}, "MaxUses is negative"},
		"negative dials":      {DialConfig{Addr: "db:1", MaxDialing: -1}, "MaxDialing is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Dial(c.cfg)
			if err == nil {
				p.Close()
				t.Fatal("it was accepted")
			}
			if !strings.HasPrefix(err.Error(), "tcp: ") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %q, want one that says %q", err, c.says)
			}
		})
	}
}

func TestTheZeroConfigurationHasSensibleBounds(t *testing.T) {
	for name, c := range map[string]struct {
		cfg               DialConfig
		least, most, open int
	}{
		"zero":         {DialConfig{}, 1, 128, 1024},
		"large":        {DialConfig{MinCapacity: 10, MaxCapacity: 2000}, 10, 2000, 4000},
		"few in all":   {DialConfig{MaxOpen: 10}, 1, 10, 10},
		"none is idle": {DialConfig{MinCapacity: 0, MaxCapacity: 5, MaxOpen: 3}, 0, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if least, most, open := c.cfg.bounds(); least != c.least || most != c.most || open != c.open {
				t.Errorf("the bounds are %d, %d and %d, want %d, %d and %d", least, most, open, c.least, c.most, c.open)
			}
		})
	}
}

func TestMaxOpenIsNeverExceeded(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("db:1", n.serves(time.Millisecond, swallow))
		p := n.pool(DialConfig{Addr: "db:1", MaxOpen: 3})
		var held []lease
		for range 3 {
			held = append(held, acquire(t, p))
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if l, err := p.Acquire(ctx); err == nil {
			l.Release()
			t.Errorf("a fourth connection was lent of 3")
		}
		if open := n.connections("db:1"); open != 3 {
			t.Errorf("%d connections are open, want 3", open)
		}
		for _, l := range held {
			l.Release()
		}
	})
}

func TestKeepAliveIsOnUnlessItIsSwitchedOff(t *testing.T) {
	for name, c := range map[string]struct {
		probes net.KeepAliveConfig
		want   net.Dialer
	}{
		"default": {net.KeepAliveConfig{}, net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
		}}},
		"off": {net.KeepAliveConfig{Idle: -1}, net.Dialer{KeepAlive: -1}},
		"own": {net.KeepAliveConfig{Enable: true, Idle: time.Minute}, net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: time.Minute,
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DialConfig{KeepAlive: c.probes}
			got := cfg.netDialer()
			if got.KeepAlive != c.want.KeepAlive || got.KeepAliveConfig != c.want.KeepAliveConfig {
				t.Errorf("the dialer's keep-alive is %v, %+v", got.KeepAlive, got.KeepAliveConfig)
			}
		})
	}
}
