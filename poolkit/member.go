package poolkit

import (
	"time"

	"github.com/vistone/poolkit/sharding"
)

// member is one connection or stream of a pool, from its arrival until it is shut.
// There are many, so the fields are in the order that takes the least room; those up to
// the first of the links, which are used whenever it is lent and comes back, share a cache
// line.
type member[C any] struct {
	id       ID     // set by newMember, as are accepted, pool, conn, shard and made
	epoch    uint32 // the ledger's when it was promised
	accepted bool   // the peer opened it

	// Part of the ledger.
	state    memberState
	outlook  outlook // what is known of its end while it is arriving, returning or examined
	joined   bool    // it arrived, and was not turned away
	untried  bool    // whoever gets it first is yet to find it alive; belongs to whoever that is
	redeems  bool    // it arrived after failures, which end when it is found alive
	renewing bool    // its replacement is on its way
	why      Reason  // once closing; with renewing, to be
	loans    uint64  // how often it was lent: what a Lease is checked against

	pool *Pool[C]
	conn C

	// Part of the ledger.
	sequence uint64 // of its shard; 0 where they are not numbered
	links    [2]links[C]
	peer     *peer[C]      // whose it is; nil in a pool that does not tell
	since    time.Duration // when it was first seen idle after it had become so; 0: not yet
	checked  time.Duration // when a check last found it alive

	shard int
	made  time.Duration // since the pool began
	stop  func() bool   // ends the watch; belongs to whoever takes the member out of idle, or examines it
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
	arriving  memberState = iota // watched, but not yet idle
	idle                         // in the idle queue
	checking                     // there too, but being examined: it is lent to nobody
	leaving                      // about to end: lent only to who asks for its ID
	onLoan                       // a lease holds it
	returning                    // the loan is over, but it is not yet idle
	closing                      // being shut; nobody gets it any more
	shut                         // gone from the books
)

// outlook is what a member will come to once it has arrived, come back or been examined.
type outlook uint8

const (
	lasting outlook = iota
	parting         // it is about to end: only who asks for its ID gets it
	lost            // it has ended: nobody does
)

// queued reports whether a member in that state stands in the idle queues.
func (s memberState) queued() bool { return s == idle || s == checking }

// places is what the tally of a member's shard counts it as.
var places = [...]sharding.State{
	arriving:  sharding.Promised,
	idle:      sharding.Landed,
	checking:  sharding.Landed,
	leaving:   sharding.Closing,
	onLoan:    sharding.Landed,
	returning: sharding.Landed,
	closing:   sharding.Closing,
	shut:      sharding.Free,
}

// own is what the member counts among those that the peer did not open.
func (m *member[C]) own() int {
	if m.accepted {
		return 0
	}
	return 1
}
