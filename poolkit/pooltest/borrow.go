package pooltest

import (
	"bytes"
	"fmt"

	"github.com/vistone/poolkit/poolkit"
)

// claim stamps a member with its borrower.
func (r *rig[C]) claim(l poolkit.Lease[C], borrower int) {
	r.census.claim(l.ID(), l.Conn(), borrower)
}

// yield takes the stamp off again, before the lease ends.
func (r *rig[C]) yield(l poolkit.Lease[C], borrower int) {
	r.census.yield(l.Conn(), borrower)
}

// echo sends something over a member, if the backend says how. The error is the
// backend's.
func (r *rig[C]) echo(l poolkit.Lease[C], borrower int) error {
	echo := r.backend.Echo
	if echo == nil {
		return nil
	}
	message := fmt.Appendf(nil, "borrower %d, member %v, message %d", borrower, l.ID(), r.echoes.Add(1))
	answer, err := echo(l.Conn(), message)
	if err == nil && !bytes.Equal(answer, message) {
		r.Errorf("borrower %d sent %q over member %v, and the answer was %q: "+
			"somebody else uses the member too, or has left something in it", borrower, message, l.ID(), answer)
	}
	return err
}

// works checks that a member can be used.
func (r *rig[C]) works(l poolkit.Lease[C], borrower int, when string) {
	r.Helper()
	if err := r.echo(l, borrower); err != nil {
		r.Errorf("member %v %s does not work: %v", l.ID(), when, err)
	}
}

// borrow acquires a member, which has to work.
func (r *rig[C]) borrow(borrower int) poolkit.Lease[C] {
	r.Helper()
	l := r.acquire()
	r.claim(l, borrower)
	r.works(l, borrower, "that was just lent")
	return l
}

// giveBack ends a lease.
func (r *rig[C]) giveBack(l poolkit.Lease[C], borrower int) {
	r.yield(l, borrower)
	l.Release()
}

// hold borrows so many members.
func (r *rig[C]) hold(n int) []poolkit.Lease[C] {
	r.Helper()
	all := make([]poolkit.Lease[C], n)
	for i := range all {
		all[i] = r.borrow(i + 1)
	}
	return all
}

// drop gives back what hold has borrowed.
func (r *rig[C]) drop(all []poolkit.Lease[C]) {
	for i, l := range all {
		r.giveBack(l, i+1)
	}
}

// kill makes the peer end a member.
func (r *rig[C]) kill(id poolkit.ID, c C) {
	r.census.kill(c)
	r.backend.Kill(id, c)
}

// someIdle returns members that have joined the pool, at least as many as it keeps, and
// that nobody has.
func (r *rig[C]) someIdle() []person[C] {
	r.Helper()
	var idle []person[C]
	r.eventually(func() bool {
		idle = r.census.idle()
		return len(idle) >= kept
	}, "the pool tells of fewer than %d members that have joined", kept)
	return idle
}
