package pooltest

import (
	"context"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// faultsOfWatches are those of Watch, Healthy and Check.
var faultsOfWatches = []fault{
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
}
