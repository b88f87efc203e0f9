package poolkit

import (
	"time"

	"github.com/vistone/poolkit/sharding"
)

// member is one connection or stream of a pool, from its arrival until it is shut.
// There are many, so the fields are in the order that takes the least room.
type member[C any] struct {
	pool  *Pool[C] // set by newMember, as are the next three, id and accepted
	conn  C
	made  time.Duration // since the pool began
	shard int

	stop func() bool // ends the watch; belongs to whoever takes the member out of idle, or examines it

	// The rest is part of the ledger, but for id and accepted.
	links    [2]links[C]
	peer     *peer[C]      // whose it is; nil in a pool that does not tell
	loans    uint64        // how often it was lent: what a Lease is checked against
	sequence uint64        // of its shard; 0 where they are not numbered
	since    time.Duration // when it was first seen idle after it had become so; 0: not yet
	checked  time.Duration // when a check last found it alive
	epoch    uint32        // the ledger's when it was promised
	id       ID
	accepted bool // the peer opened it
	state    memberState
	lost     bool   // the watch fired while the member was arriving
	joined   bool   // it arrived, and was not turned away
	untried  bool   // whoever gets it first is yet to find it alive; belongs to whoever that is
	redeems  bool   // it arrived after failures, which end when it is found alive
	renewing bool   // its replacement is on its way
	why      Reason // once closing; with renewing, to be
}

// links connect a member with its neighbours in one queue.
type links[C any] struct{ prev, next *member[C] }

// The queues that an idle member is in, each linked through links of its own.
const (
	ofPool = iota // of all idle members
	ofPeer        // of those of one peer
)

type memberState uint8

const (
	arriving memberState = iota // watched, but not yet idle; or coming back from a loan
	idle                        // in the idle queue
	checking                    // there too, but being examined: it is lent to nobody
	leaving                     // about to end: lent only to who asks for its ID
	onLoan                      // a lease holds it
	closing                     // being shut; nobody gets it any more
	shut                        // gone from the books
)

// queued reports whether a member in that state stands in the idle queues.
func (s memberState) queued() bool { return s == idle || s == checking }

// places is what the tally of a shard counts a member as, by its state.
var places = [...]sharding.State{
	arriving: sharding.Promised,
	idle:     sharding.Idle,
	checking: sharding.Idle,
	leaving:  sharding.Closing,
	onLoan:   sharding.OnLoan,
	closing:  sharding.Closing,
	shut:     sharding.Free,
}

// place is what the tally of the member's shard counts it as.
func (m *member[C]) place() sharding.State {
	if m.state == arriving && m.loans > 0 {
		return sharding.OnLoan // until it is back
	}
	return places[m.state]
}

// own is what the member counts among those that the peer did not open.
func (m *member[C]) own() int {
	if m.accepted {
		return 0
	}
	return 1
}
