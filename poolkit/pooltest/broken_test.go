package pooltest

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

var faults = []fault{
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
		"", // the pool never fills
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
	{
		"no way to know that a member has ended", "AMemberThatThePeerHasEndedIsNotLent",
		"the backend has neither Watch nor Healthy nor Check",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) { b.Config.Watch, b.Config.Healthy = nil, nil },
	},
	{
		"Healthy that always says yes", "AMemberThatThePeerHasEndedIsNotLent",
		"and Healthy says that it is healthy",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Watch, b.Config.Healthy = nil, func(net.Conn) bool { return true }
		},
	},
	{
		"Healthy that always says yes", "AMemberThatEndsOnLoanIsNotLentAgain",
		"and after its release it is idle",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Watch, b.Config.Healthy = nil, func(net.Conn) bool { return true }
		},
	},
	{
		"Healthy that asks the peer", "ASilentPeerHoldsUpNobody",
		"Healthy, Watch and its stop must not block",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Healthy = func(c net.Conn) bool {
				_, err := Echo(c, []byte("are you there?"))
				return err == nil
			}
		},
	},
	{
		"a watch whose stop knows nothing", "AMemberThatHasEndedIsNotLentEvenBeforeTheWatchTells",
		"then the watch's stop must report false, or Healthy",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			watch := b.Config.Watch
			b.Config.Watch = func(c net.Conn, w poolkit.Watcher) func() bool {
				stop := watch(c, w)
				return func() bool {
					stop()
					return true
				}
			}
			b.Config.Healthy = nil
		},
	},
	{
		"a watch that does not tell", "AMemberThatThePeerHasEndedIsNotLent",
		"and Watch does not tell",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Watch = func(c net.Conn, _ poolkit.Watcher) func() bool {
				return func() bool { return c.(*pipe).ended.Err() == nil }
			}
		},
	},
	{
		"a watch that works once for each member", "AMemberThatThePeerHasEndedIsNotLent",
		"and Watch does not tell",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			watch := b.Config.Watch
			var seen sightings
			b.Config.Watch = func(c net.Conn, w poolkit.Watcher) func() bool {
				name := c.(*pipe).other.id.String()
				if seen.add(name); seen.of(name) > 1 {
					return func() bool { return true }
				}
				return watch(c, w)
			}
		},
	},
	{
		"a watch that goes on after it was stopped", "AMemberThatEndsOnLoanIsNotLentAgain",
		"a stopped watch must not call its Watcher any more",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			watch := b.Config.Watch
			b.Config.Watch = func(c net.Conn, w poolkit.Watcher) func() bool {
				watch(c, w)
				return func() bool { return c.(*pipe).ended.Err() == nil }
			}
		},
	},
	{
		"a watch that tells of everybody", "AMemberThatThePeerHasEndedIsNotLent",
		"left the pool too: gone",
		func(b *Backend[net.Conn], p *Peer, _ <-chan struct{}) {
			watch := b.Config.Watch
			all := make(map[net.Conn]poolkit.Watcher)
			b.Config.Watch = func(c net.Conn, w poolkit.Watcher) func() bool {
				p.mu.Lock()
				all[c] = w
				p.mu.Unlock()
				stop := watch(c, w)
				return func() bool {
					p.mu.Lock()
					delete(all, c)
					p.mu.Unlock()
					return stop()
				}
			}
			kill := b.Kill
			b.Kill = func(id poolkit.ID, c net.Conn) {
				p.mu.Lock()
				some := make([]poolkit.Watcher, 0, len(all))
				for _, w := range all {
					some = append(some, w)
				}
				p.mu.Unlock()
				for _, w := range some {
					w.Gone()
				}
				kill(id, c)
			}
		},
	},
	{
		"members that end when they stand idle", "AMemberThatNobodyTouchesStays",
		"which nobody touched, left the pool",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Watch = func(_ net.Conn, w poolkit.Watcher) func() bool {
				return time.AfterFunc(time.Minute, w.Gone).Stop
			}
		},
	},
	{
		"Check that always says yes", "AnExaminationFindsThatThePeerIsSilent",
		"is silent, and Check finds nothing wrong",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Check = func(context.Context, net.Conn) error { return nil }
		},
	},
	{
		"Check that always says yes, and nothing else", "AMemberThatThePeerHasEndedIsNotLent",
		"which is idle, and Check finds nothing wrong",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Check = func(context.Context, net.Conn) error { return nil }
			b.Config.Watch, b.Config.Healthy = nil, nil
		},
	},
	{
		"Check that ignores its context", "ASilentPeerHoldsUpNobody",
		"Close does not return",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			b.Config.Check = func(context.Context, net.Conn) error { <-never; return nil }
		},
	},
	{
		"Check that leaves something in the member", "EveryMemberWorks",
		"that was just lent does not work",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			var examined sightings
			b.Config.Check = func(_ context.Context, c net.Conn) error {
				name := c.(*pipe).other.id.String()
				if examined.add(name); examined.of(name) > 1 {
					return nil
				}
				_, err := c.Write([]byte("??"))
				if err == nil {
					_, err = c.Read(make([]byte, 1)) // of two
				}
				return err
			}
		},
	},
	{
		"Shut that does nothing", "ADiscardedMemberIsEnded",
		"still works after Shut",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			b.Config.Shut = func(c net.Conn) error {
				go func() { <-never; c.Close() }()
				return nil
			}
			b.Config.Closed = nil
		},
	},
	{
		"Shut that leaves the peer's end open", "ADiscardedMemberIsEnded",
		"Shut must end a member at both ends",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			b.Config.Shut = func(c net.Conn) error {
				go func() { <-never; c.Close() }()
				return c.SetDeadline(time.Unix(1, 0))
			}
			b.Echo = func(c net.Conn, message []byte) ([]byte, error) {
				if _, err := c.Write(message); err != nil {
					return nil, err
				}
				n, err := c.Read(message)
				return message[:n], err
			}
			b.Config.Closed = nil
		},
	},
	{
		"Shut that waits for the peer", "ASilentPeerHoldsUpNobody",
		"Shut must not wait for the peer without a bound",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			b.Config.Shut = func(c net.Conn) error {
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					_ = c.SetDeadline(time.Now().Add(time.Hour))
					if _, err := c.Write([]byte("bye")); err == nil {
						_, _ = c.Read(make([]byte, 3))
					}
				}()
				select {
				case <-answered:
				case <-never:
				}
				return c.Close()
			}
		},
	},
	{
		"Shut that panics", "EveryMemberWorks",
		"the backend's Shut panicked: boom",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Shut = func(c net.Conn) error {
				c.Close()
				panic("boom")
			}
		},
	},
	{
		"members that work once", "AReleasedMemberServesTheNextUnlessItIsOfSingleUse",
		"that was released and lent again does not work",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			var used sightings
			b.Echo = func(c net.Conn, message []byte) ([]byte, error) {
				name := c.(*pipe).other.id.String()
				if used.add(name); used.of(name) > 1 {
					return nil, errors.New("used up")
				}
				return Echo(c, message)
			}
		},
	},
	{
		"a lease that the backend ends itself", "AMemberHasOneBorrowerAtATime",
		"while borrower",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Lent = func(_ net.Conn, l poolkit.Lease[net.Conn]) { l.Release() }
		},
	},
	{
		"a lease that nobody ends", "AMemberThatItsBorrowerClosesGivesBackItsPlace",
		"a backend with Lent must end the lease then",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Lent = func(net.Conn, poolkit.Lease[net.Conn]) {}
		},
	},
	{
		"Closed that does not return", "EveryMemberWorks",
		"Close does not return",
		func(b *Backend[net.Conn], _ *Peer, never <-chan struct{}) {
			b.Config.Closed = func() error { <-never; return nil }
		},
	},
	{
		"Closed that fails", "EveryMemberWorks",
		"Close: the socket is stuck",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) {
			b.Config.Closed = func() error { return errors.New("the socket is stuck") }
		},
	},
	{
		"too few places", "EveryMemberWorks",
		"the backend's Config has room for 6 members (Places 2 × MaxShards 3): the suite needs 12",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) { b.Config.Places, b.Config.MaxShards = 2, 3 },
	},
	{
		"no Shut", "EveryMemberWorks",
		"poolkit.New does not accept the backend's Config",
		func(b *Backend[net.Conn], _ *Peer, _ <-chan struct{}) { b.Config.Shut = nil },
	},
	{
		"a peer that never serves", "EveryMemberWorks",
		"the pool does not fill: poolkit: wait for 4 idle members",
		func(_ *Backend[net.Conn], p *Peer, _ <-chan struct{}) { p.Refuse() },
	},
}

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
	for _, f := range faults {
		find(f, func(_ testing.TB, p *Peer) Backend[net.Conn] { return sound(p) })
	}
	for _, f := range faultsOfAcceptors {
		find(f, called)
	}
}
