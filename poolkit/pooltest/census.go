package pooltest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

// census knows every member that a backend has made, and what became of it.
type census[C comparable] struct {
	tb      testing.TB
	closing atomic.Bool // the pool is about to be closed, and may shut what is on loan

	mu        sync.Mutex
	members   map[C]*person[C]   // guarded by mu, as is the rest
	list      []*person[C]       // in the order in which they were made
	sameNames int                // members that came under the ID of an open one
	joined    map[poolkit.ID]int // how often the pool has told of it
	left      map[poolkit.ID]poolkit.Reason
}

// person is one member.
type person[C comparable] struct {
	id   poolkit.ID
	conn C

	// Guarded by the census's mu.
	borrower int // who has it; 0: nobody
	shut     int // how often it was shut
	ended    bool
	hijacked bool
	killed   bool
	told     bool // by a watch
}

// arrive notes a member that the backend has made.
func (cs *census[C]) arrive(id poolkit.ID, c C) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.members == nil {
		cs.members = make(map[C]*person[C])
	}
	if p := cs.members[c]; p != nil && !p.ended {
		cs.tb.Errorf("the backend returned member %v again, as %v, while it is open: "+
			"each dial or offer must make a member of its own", p.id, id)
	}
	for _, p := range cs.members {
		if p.id == id && !p.ended {
			// IDs drawn at random meet once in a great while.
			if cs.sameNames++; cs.sameNames == 3 {
				cs.tb.Errorf("members come under the ID of an open one again and again, as now %v: "+
					"an ID must be unique among the open members of a pool", id)
			}
		}
	}
	p := &person[C]{id: id, conn: c}
	cs.members[c] = p
	cs.list = append(cs.list, p)
}

// shut notes that the pool is shutting a member.
func (cs *census[C]) shut(c C) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	p := cs.members[c]
	if p == nil {
		cs.tb.Errorf("Shut was called for a member that the backend has not made: %v", c)
		return
	}
	p.ended = true
	switch p.shut++; {
	case p.hijacked:
		cs.tb.Errorf("Shut was called for member %v, which belongs to who hijacked it", p.id)
	case p.shut > 1:
		cs.tb.Errorf("Shut was called %d times for member %v", p.shut, p.id)
	case p.borrower != 0 && !cs.closing.Load():
		cs.tb.Errorf("Shut was called for member %v while borrower %d has it", p.id, p.borrower)
	}
}

// hijack notes that a member was taken out of the pool.
func (cs *census[C]) hijack(c C) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if p := cs.members[c]; p != nil {
		p.ended, p.hijacked, p.borrower = true, true, 0
	}
}

// claim notes that somebody has borrowed a member.
func (cs *census[C]) claim(id poolkit.ID, c C, borrower int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	p := cs.members[c]
	switch {
	case p == nil:
		cs.tb.Errorf("lease %v is for a member that the backend has not made: %v", id, c)
		return
	case p.id != id:
		cs.tb.Errorf("a lease says that member %v is called %v", p.id, id)
	case p.borrower != 0:
		cs.tb.Errorf("member %v is lent to borrower %d while borrower %d has it", id, borrower, p.borrower)
	case p.ended && !cs.closing.Load():
		cs.tb.Errorf("member %v is lent to borrower %d after it was shut", id, borrower)
	}
	p.borrower = borrower
}

// yield notes that a borrower is about to end its lease.
func (cs *census[C]) yield(c C, borrower int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	p := cs.members[c]
	if p == nil {
		return
	}
	if p.borrower != borrower {
		cs.tb.Errorf("member %v of borrower %d was lent to borrower %d meanwhile", p.id, borrower, p.borrower)
	}
	p.borrower = 0
}

// kill notes that the peer is about to end a member.
func (cs *census[C]) kill(c C) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.members[c].killed = true
}

// tell notes that a watch has told of a member's end.
func (cs *census[C]) tell(c C) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if p := cs.members[c]; p != nil {
		p.told = true
	}
}

// was returns what is known about a member.
func (cs *census[C]) was(c C) person[C] {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if p := cs.members[c]; p != nil {
		return *p
	}
	return person[C]{}
}

// all returns every member that was ever made.
func (cs *census[C]) all() []person[C] {
	return cs.those(func(*person[C]) bool { return true })
}

// open returns the members that have been made and not been shut.
func (cs *census[C]) open() []person[C] {
	return cs.those(func(p *person[C]) bool { return !p.ended })
}

// those returns the members of which something is true.
func (cs *census[C]) those(ok func(p *person[C]) bool) []person[C] {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	var some []person[C]
	for _, p := range cs.list {
		if ok(p) {
			some = append(some, *p)
		}
	}
	return some
}

// idle returns the members that have joined the pool and are open.
func (cs *census[C]) idle() []person[C] {
	return cs.those(func(p *person[C]) bool { return !p.ended && p.borrower == 0 && cs.joined[p.id] > 0 })
}

// join notes that the pool has told of a member.
func (cs *census[C]) join(id poolkit.ID) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.joined == nil {
		cs.joined = make(map[poolkit.ID]int)
	}
	cs.joined[id]++
}

// leave notes that the pool has told that a member has left.
func (cs *census[C]) leave(id poolkit.ID, why poolkit.Reason) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.left == nil {
		cs.left = make(map[poolkit.ID]poolkit.Reason)
	}
	cs.left[id] = why
}

// allShut checks that every member has been shut once.
func (cs *census[C]) allShut() {
	for _, p := range cs.those(func(p *person[C]) bool { return p.shut != 1 && !p.hijacked }) {
		cs.tb.Errorf("the pool is closed, and member %v was shut %d times, want once", p.id, p.shut)
	}
}

// why returns for which reason a member has left the pool, if it has.
func (cs *census[C]) why(id poolkit.ID) (why poolkit.Reason, gone bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	why, gone = cs.left[id]
	return why, gone
}
