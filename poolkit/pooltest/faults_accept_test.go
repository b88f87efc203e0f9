package pooltest

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/vistone/poolkit/poolkit"
)

// faultsOfAcceptors are those of backends that accept.
var faultsOfAcceptors = []fault{
	{
		"Accept that ignores its context", "EveryMemberWorks",
		"Close does not return. Dial, Admit and Accept must return soon after their context has ended",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			inner := b.Config.Acceptor
			var offers atomic.Int32
			b.Config.Acceptor = acceptorFunc(func(ctx context.Context) (poolkit.Offer[net.Conn], error) {
				if offers.Add(1) > everybody { // nobody else calls
					<-never
				}
				return inner.Accept(ctx)
			})
		},
	},
	{
		"neither an offer nor an error", "EveryMemberWorks",
		"Accept returned neither an offer nor an error",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			inner := b.Config.Acceptor
			var offers atomic.Int32
			b.Config.Acceptor = acceptorFunc(func(ctx context.Context) (poolkit.Offer[net.Conn], error) {
				if offers.Add(1) == 3 {
					return nil, nil
				}
				return inner.Accept(ctx)
			})
		},
	},
	{
		"Refuse that leaves the peer's end open", "ThePoolRecoversFromDialsThatFail",
		"the peer does not have as many members open as the pool",
		func(b *Backend[net.Conn], p *Peer, _ <-chan struct{}) {
			inner := b.Config.Acceptor
			b.Config.Acceptor = acceptorFunc(func(ctx context.Context) (poolkit.Offer[net.Conn], error) {
				o, err := inner.Accept(ctx)
				return forgetful{o, p}, err
			})
		},
	},
	{
		"Admit that ignores its context", "ASilentPeerHoldsUpNobody",
		"Close does not return. Dial, Admit and Accept must return soon after their context has ended",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			inner := b.Config.Acceptor
			b.Config.Acceptor = acceptorFunc(func(ctx context.Context) (poolkit.Offer[net.Conn], error) {
				o, err := inner.Accept(ctx)
				return patient{o}, err
			})
		},
	},
}

type acceptorFunc func(context.Context) (poolkit.Offer[net.Conn], error)

func (f acceptorFunc) Accept(ctx context.Context) (poolkit.Offer[net.Conn], error) { return f(ctx) }

// forgetful is an offer whose Refuse does not tell the peer.
type forgetful struct {
	poolkit.Offer[net.Conn]
	peer *Peer
}

func (o forgetful) Refuse() {
	o.Offer.Refuse()
	o.peer.mu.Lock()
	o.peer.open++
	o.peer.mu.Unlock()
}

// patient is an offer whose Admit waits for the peer.
type patient struct{ poolkit.Offer[net.Conn] }

func (o patient) Admit(_ context.Context, id poolkit.ID) (net.Conn, error) {
	return o.Offer.Admit(context.Background(), id)
}
