// Package subject has the pools that are compared, and what no pool can be faster than,
// each behind the same interface.
package subject

import "context"

// Kind is one kind of pool.
type Kind struct {
	Name string
	Open func(members int) Pool // full: so many members are idle, and there will never be more
}

// Pool is a pool that is measured.
type Pool interface {
	Worker() Worker
	Close()
}

// Worker is what one goroutine uses a pool with. It holds the member that it has taken,
// so that nothing has to be allocated for the sake of the measurement.
type Worker interface {
	Take(context.Context) error
	Give()
}

// Keyed is a worker of a pool whose members have IDs. In a new pool they are those from
// Name(0) on.
type Keyed interface {
	Worker
	TakeID(context.Context, ID) error

	// Renew ends the member that was taken. Another comes, with the next name.
	Renew()
}

// ID is what a member is known by.
type ID uint32

// Name returns the ID of the i-th member. They look as if drawn by chance, and no two
// are the same: it is the finalizer of MurmurHash3.
func Name(i int) ID {
	n := uint32(i)
	n = (n ^ n>>16) * 0x85ebca6b
	n = (n ^ n>>13) * 0xc2b2ae35
	return ID(n ^ n>>16)
}

// member is what the pools hold.
type member struct{ _ [64]byte }
