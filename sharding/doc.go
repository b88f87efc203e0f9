// Package sharding keeps the tally of a pool's shards.
//
// A shard is one underlying connection. It has a number of places, and every
// member the pool has open on it holds exactly one: from the moment it is
// promised until it has been closed. [Set] counts those places and says which
// shard takes the next member: the lowest-numbered one with room, so that a
// pool folds together onto few connections when demand falls. Where members are
// better shared out among several connections, [Set.Spread] has it balance over the
// first few.
//
// A shard can also be out of use for a while. It rests after a failure
// ([Set.Rest]), and it counts as full at fewer places when the peer has shown
// that it grants fewer ([Set.Learn]). Both end by themselves: [Set.Wake] is told
// the time and ends what is over.
//
// The package knows nothing of identifiers, connections, locks or clocks. A Set
// is not safe for concurrent use: it belongs to whoever holds the pool's lock.
package sharding
