package pooltest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/vistone/poolkit/poolkit"
)

// faultsOfDialers are those of Dial.
var faultsOfDialers = []fault{
	{
		"a goroutine for each member that does not end", "EveryMemberWorks",
		"12 like this:",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				go func() { <-never }()
				return inner.Dial(ctx, 0)
			})
		},
	},
	{
		"the same member twice", "EveryMemberWorks",
		"while it is open: each dial or offer must make a member of its own",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			inner := b.Config.Dialer
			one := sync.OnceValue(func() net.Conn {
				_, c, _ := inner.Dial(context.Background(), 0)
				return c
			})
			dial(b, func(context.Context, poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				return poolkit.RandomID(), one(), nil
			})
		},
	},
	{
		"IDs that are not unique", "EveryMemberWorks",
		"an ID must be unique among the open members of a pool",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				_, c, err := inner.Dial(ctx, 0)
				return poolkit.ID{7}, c, err
			})
		},
	},
	{
		"IDs that the peer does not know", "BothEndsCallAMemberTheSame",
		"by the peer",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				_, c, err := inner.Dial(ctx, 0)
				return poolkit.RandomID(), c, err
			})
		},
	},
	{
		"peers that change their names", "AMemberIsFoundByItsPeer",
		"Peer must always say the same of a member",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			var calls atomic.Int32
			b.Config.Peer = func(net.Conn) string { return strconv.Itoa(int(calls.Add(1))) }
		},
	},
	{
		"two members that share a connection", "ADiscardedMemberIsEnded",
		"beside one that was shut does not work",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			type shared struct{ net.Conn }
			inner := b.Config.Dialer
			one := sync.OnceValue(func() net.Conn {
				_, c, _ := inner.Dial(context.Background(), 0)
				return c
			})
			dial(b, func(context.Context, poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				return poolkit.RandomID(), &shared{one()}, nil
			})
			b.Config.Watch, b.Config.Healthy, b.Kill, b.PeerOpen = nil, nil, nil, nil
		},
	},
	{
		"a dial that ignores its context", "ASilentPeerHoldsUpNobody",
		"Close does not return. Dial, Admit and Accept must return soon after their context has ended",
		func(b *Backend[net.Conn], p *Peer, never <-chan struct{}) {
			dial(b, func(_ context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				return inner.Dial(context.Background(), 0)
			})
		},
	},
	{
		"members that end with the context of their dial", "EveryMemberWorks",
		"also after the context of their dial has ended",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				id, c, err := inner.Dial(ctx, 0)
				if err == nil {
					context.AfterFunc(ctx, func() { c.Close() })
				}
				return id, c, err
			})
			b.Config.Watch, b.Config.Healthy = nil, nil
		},
	},
	{
		"neither a member nor an error", "ThePoolRecoversFromAPeerThatRefused",
		"Dial returned neither a member nor an error",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				id, c, _ := inner.Dial(ctx, 0)
				return id, c, nil
			})
		},
	},
	{
		"both a member and an error", "ThePoolRecoversFromAPeerThatRefused",
		"beside the error",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				id, c, err := inner.Dial(ctx, 0)
				if err != nil {
					c, _ = net.Pipe()
				}
				return id, c, err
			})
		},
	},
	{
		"a panic when it is refused", "ThePoolRecoversFromAPeerThatRefused",
		"the backend's Dial panicked",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				id, c, err := inner.Dial(ctx, 0)
				_ = c.(*pipe).id
				return id, c, err
			})
		},
	},
	{
		"a failure that it does not forget", "ThePoolRecoversFromAPeerThatRefused",
		"the peer has recovered, and the pool lends no member that works",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			failed := make(chan error, 1)
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				select {
				case err := <-failed:
					failed <- err
					return poolkit.ID{}, nil, err
				default:
				}
				id, c, err := inner.Dial(ctx, 0)
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
				return id, c, err
			})
		},
	},
	{
		"a dial that leaves something behind", "ThePoolRecoversFromAPeerThatFellSilent",
		"a dial that fails must end what it has opened",
		func(b *Backend[net.Conn], p *Peer, _ <-chan struct{}) {
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				id, c, err := inner.Dial(ctx, 0)
				if err != nil {
					p.mu.Lock()
					p.open++
					p.mu.Unlock()
				}
				return id, c, err
			})
		},
	},
	{
		"two connections for a member", "EveryMemberWorks",
		"the peer does not have as many members open as the pool",
		func(b *Backend[net.Conn], p *Peer, _ <-chan struct{}) {
			var spare []net.Conn
			dial(b, func(ctx context.Context, inner poolkit.Dialer[net.Conn]) (poolkit.ID, net.Conn, error) {
				if _, c, err := inner.Dial(ctx, 0); err == nil {
					p.mu.Lock()
					spare = append(spare, c)
					p.mu.Unlock()
				}
				return inner.Dial(ctx, 0)
			})
			closed := b.Config.Closed
			b.Config.Closed = func() error {
				for _, c := range spare {
					c.Close()
				}
				return closed()
			}
		},
	},
}
