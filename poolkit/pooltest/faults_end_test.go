package pooltest

import (
	"errors"
	"net"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// faultsOfEndings are those of what ends members and leases, and of configurations.
var faultsOfEndings = []fault{
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
