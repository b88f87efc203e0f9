package pooltest

import (
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

// A Backend is what [Run] tests: the backend's part of a pool's configuration, and what
// can be done to the other end of its members. Only Config is required. The suite calls
// these functions from several goroutines at once.
type Backend[C comparable] struct {
	// Config is the configuration of one pool as the backend sets it up: its sources,
	// Shut, Watch, Healthy, SingleUse and so on. The suite opens one pool with it and
	// closes that, so Closed is called once.
	//
	// The suite sets the capacity, Sizing, CheckInterval and DialTimeout (but not
	// [poolkit.NoTimeout]) as it needs them, and neither a Budget nor limits of age and
	// use. In a pool that dials it also sets MaxDialing, and lowers Places and MaxShards to
	// a dozen members in all, which the peer has to grant. In one that only accepts, the
	// peer has to keep eight members open until the pool is closed: to offer another for
	// each that ends.
	Config poolkit.Config[C]

	// Echo sends a message of at most 64 bytes over a member and returns what the peer
	// answers: the same. Where no answer comes it gives up after a while, ten seconds or
	// so, and once the member has been shut it fails. For members that are net.Conns, the
	// function [Echo] is it.
	Echo func(member C, message []byte) (answer []byte, err error)

	// PeerID asks the peer, over the member or behind its back, under which ID it knows
	// the member. It is for backends whose two ends have to agree on that.
	PeerID func(member C) (poolkit.ID, error)

	// PeerOpen returns how many members are open at the peer. That may lag behind.
	PeerOpen func() int

	// Kill makes the peer end a member, idle or on loan, in the way in which peers do
	// that. It need not wait until the news has arrived.
	Kill func(id poolkit.ID, member C)

	// Refuse makes the peer turn away whatever is opened from now on. It leaves alone
	// what is open.
	Refuse func()

	// Stall makes the peer fall silent, as if it or the network were gone: it answers
	// neither what is opened nor what is sent, and ends nothing. If Config has a Check,
	// that must find it out.
	Stall func()

	// Recover ends what Refuse or Stall began; where nothing was begun it does nothing.
	// It is required with either, and called before the cleanup functions that the
	// factory has registered.
	Recover func()
}

// A Factory starts a peer and returns a backend that makes members with it. It is
// called for each check. What it registers with tb.Cleanup ends the peer, with all its
// goroutines; it runs after the pool has been closed.
type Factory[C comparable] func(tb testing.TB) Backend[C]
