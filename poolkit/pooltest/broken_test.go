package pooltest

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

// sound is the backend that the broken ones are made of.
func sound(p *Peer) Backend[net.Conn] {
	return Backend[net.Conn]{
		Config:   p.Config(1),
		Echo:     Echo[net.Conn],
		PeerID:   func(c net.Conn) (poolkit.ID, error) { return p.ID(c), nil },
		PeerOpen: p.Open,
		Kill:     func(_ poolkit.ID, c net.Conn) { p.Kill(c) },
		Refuse:   p.Refuse,
		Stall:    p.Stall,
		Recover:  p.Recover,
	}
}

// dial changes what a backend's Dial does.
func dial(b *Backend[net.Conn], f func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error)) {
	inner := b.Config.Dialer
	b.Config.Dialer = poolkit.DialerFunc[net.Conn](func(ctx context.Context, _ int) (poolkit.ID, net.Conn, error) {
		return f(ctx, inner)
	})
}

// fault is something that a backend can get wrong.
type fault struct {
	name  string
	check string // which finds it
	says  string // part of what that says
	make  func(b *Backend[net.Conn], p *Peer, never <-chan struct{})
}

func TestTheSuiteFindsWhatIsWrong(t *testing.T) {
	byName := make(map[string]check[net.Conn])
	for _, c := range checks[net.Conn]() {
		byName[c.name] = c
	}
	find := func(f fault, make func(testing.TB, *Peer) Backend[net.Conn]) {
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			c, ok := byName[f.check]
			if !ok {
				t.Fatalf("there is no check %s", f.check)
			}
			r := verdict(t, c, func(tb testing.TB, never <-chan struct{}) Backend[net.Conn] {
				p := new(Peer)
				b := make(tb, p)
				f.make(&b, p, never)
				return b
			})
			if !r.Failed() || !strings.Contains(r.text(), f.says) {
				t.Errorf("%s does not say %q, but (failed: %t):\n%s", f.check, f.says, r.Failed(), r.text())
			}
		})
	}
	for _, f := range slices.Concat(faultsOfDialers, faultsOfWatches, faultsOfEndings) {
		find(f, func(_ testing.TB, p *Peer) Backend[net.Conn] { return sound(p) })
	}
	for _, f := range faultsOfAcceptors {
		find(f, called)
	}
}
