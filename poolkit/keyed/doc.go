// Package keyed keeps a pool of members for each key, a host or a tenant, under one
// budget for all.
//
// A key gets a pool when it is first used, with the configuration that [Config.Pool]
// returns for it. The pools share [Config.Budget]: what is open over all keys, idle, on
// loan, on its way or being shut, is never more.
//
// # Eviction
//
// Where the budget is used up and a caller waits, the key that is needed least gives up
// an idle member, and, with its last one, its pool, and dials that nobody waits for any
// more. First to go are keys that were used once, then those that were used again, and of
// either the least recently used. So what is in steady use stays, whoever else asks for a
// thousand keys once. Keys of which a member is on loan, or waited for, come last, and
// give up no more than what is idle.
//
// Only callers evict. To keep members ready a pool takes what nobody has, and a key that
// was made to give up members keeps no more ready until it is used again. So when the
// callers rest, all dials end, however many keys want a member ready.
//
// # Waiting
//
// Where all is on loan, what comes back goes to the next caller of its own key. If there
// is none, its place goes to another key: first to those that have no member at all, in
// the order in which they came to want one; then to the others by turns, one each. A key
// whose callers never end gives up a member for a key that has had none for a second, if
// it has but one, and at once if it has more. Within a key callers are served in their
// order.
//
// The end of a caller's context ends his wait, and nothing else.
//
// # Closing
//
// The pool of a key is closed when the key was not used for [Config.MaxIdle], when
// [Pool.Remove] says so, and with its last member, as above. There are never more pools
// than a quarter beyond the budget, but for those that callers wait for. A key has one
// pool at a time, so that what bounds that bounds the key: while one is being closed,
// callers wait for the end of that, and then for the next.
//
// # Locks and goroutines
//
// One mutex guards the keys and their order; a use that finds a member idle locks it once,
// and allocates nothing. The mutex of a pool is locked under it where members are evicted,
// never the other way round, and nothing else happens under it: no callback, and no wait.
//
// The goroutines, beside those of the pools, are one that evicts and closes, from New to
// Close, and one for each pool that is being closed. Close and Shutdown return after the
// last of them.
package keyed
