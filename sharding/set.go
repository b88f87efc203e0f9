package sharding

import (
	"fmt"
	"time"
)

// State is what a place is used for.
type State uint8

// The states of a place. A place moves between them by [Set.Move]; it becomes
// Promised only by [Set.Reserve] or [Set.ReserveOn].
const (
	Free     State = iota // nobody holds it
	Promised              // a member is on its way
	Landed                // a member is there, idle or on loan
	Closing               // a member is being closed
	states
)

// Tally is a number of places by what they are used for. Free places are not
// counted.
type Tally struct {
	Promised, Landed, Closing int
}

// Open returns the number of places that are not free.
func (t Tally) Open() int { return t.Promised + t.Landed + t.Closing }

// Set is the shards of one pool. Use [NewSet]; shards come into being, numbered
// from zero, as they are first needed.
type Set struct {
	places int
	most   int
	spread int // over how many shards Reserve balances; see Spread
	shards []shard
	total  [states]int
	first  int // no shard below first takes a member
	timed  int // shards that rest or have a learnt limit
	used   int // shards with a place that is not free
}

type shard struct {
	held     [states]int
	open     int
	limit    int // places, or fewer while a learnt limit holds
	failures int // in a row

	resting   bool
	restUntil time.Time
	learnt    bool
	learntEnd time.Time
}

func (s *shard) hasRoom() bool { return !s.resting && s.open < s.limit }

// NewSet returns a Set of at most most shards with the given number of places
// each. Both must be positive.
func NewSet(places, most int) *Set {
	if places <= 0 || most <= 0 {
		panic(fmt.Sprintf("sharding: NewSet(%d, %d): both must be positive", places, most))
	}
	return &Set{places: places, most: most, spread: 1}
}

// Reserve promises a place on the lowest-numbered shard with room that is not
// resting, or, of those it balances over, on the emptiest: see [Set.Spread]. It
// reports false where there is none.
func (s *Set) Reserve() (shard int, ok bool) {
	if !s.Ready() {
		return 0, false
	}
	shard = s.emptiest()
	s.grow(shard)
	s.promise(shard)
	return shard, true
}

// Ready reports whether Reserve would find a place.
func (s *Set) Ready() bool {
	for s.first < len(s.shards) && !s.shards[s.first].hasRoom() {
		s.first++
	}
	return s.first < s.most
}

// probed is how many shards have to fail before it is taken to be more than the
// shards that fails, and no further ones are tried.
const probed = 8

// ReserveProbe promises a place on the shard with room that has failed least in a
// row, the lowest-numbered of these, and ends its rest. One that is yet to come into
// being has never failed, and is tried unless eight have. It is how a pool finds, one
// attempt at a time, a shard that works where others do not. It reports false where
// there is no room.
func (s *Set) ReserveProbe() (shard int, ok bool) {
	best, failing := len(s.shards), 0
	for i := range s.shards {
		sh := &s.shards[i]
		if sh.open >= sh.limit {
			continue
		}
		if sh.failures > 0 {
			failing++
		}
		if best == len(s.shards) || sh.failures < s.shards[best].failures {
			best = i
		}
	}
	if best < len(s.shards) && s.shards[best].failures > 0 && failing < probed && len(s.shards) < s.most {
		best = len(s.shards)
	}
	if !s.grow(best) {
		return 0, false
	}
	if s.shards[best].resting {
		s.endRest(best)
	}
	s.promise(best)
	return best, true
}

// ReserveOn promises a place on the given shard, resting or not: the peer chose
// it. It reports false where the shard is full or numbered too high.
func (s *Set) ReserveOn(shard int) bool {
	if shard < 0 || !s.grow(shard) || s.shards[shard].open >= s.places {
		return false
	}
	s.promise(shard)
	return true
}

func (s *Set) promise(i int) {
	if s.shards[i].open == 0 {
		s.used++
	}
	s.shards[i].open++
	s.shards[i].held[Promised]++
	s.total[Promised]++
}

// grow makes sure that shard i exists.
func (s *Set) grow(i int) bool {
	if i >= s.most {
		return false
	}
	for len(s.shards) <= i {
		s.shards = append(s.shards, shard{limit: s.places})
	}
	return true
}

// Move changes what one place of a shard is used for. It panics when no place of
// the shard is in state from: the books would no longer be true.
func (s *Set) Move(shard int, from, to State) {
	sh := &s.shards[shard]
	if from == Free || sh.held[from] == 0 {
		panic(fmt.Sprintf("sharding: no place in state %d to move on shard %d", from, shard))
	}
	sh.held[from]--
	s.total[from]--
	if to == Free {
		if sh.open--; sh.open == 0 {
			s.used--
		}
		s.first = min(s.first, shard)
		return
	}
	sh.held[to]++
	s.total[to]++
}

// Succeeded ends the run of failures of a shard, and its rest.
func (s *Set) Succeeded(shard int) {
	s.shards[shard].failures = 0
	if s.shards[shard].resting {
		s.endRest(shard)
	}
}

// Rest keeps a shard from being reserved until the given time, and returns how
// many times in a row it has now failed.
func (s *Set) Rest(shard int, until time.Time) (failures int) {
	sh := &s.shards[shard]
	if !sh.resting {
		sh.resting = true
		s.timed++
	}
	sh.restUntil = until
	sh.failures++
	return sh.failures
}

// Failures returns how many times in a row a shard has failed.
func (s *Set) Failures(shard int) int { return s.shards[shard].failures }

// Resting reports whether a shard rests.
func (s *Set) Resting(shard int) bool { return s.shards[shard].resting }

// Learn notes that the peer grants no more than the places of a shard that are
// in use now. Until the given time the shard counts as full at that number;
// then the full number of places is tried again, since the peer may have been
// short of credit only for a moment.
func (s *Set) Learn(shard int, until time.Time) {
	sh := &s.shards[shard]
	if !sh.learnt {
		sh.learnt = true
		s.timed++
	}
	sh.limit = sh.open
	sh.learntEnd = until
}

// Wake ends the rests and learnt limits that are over at now. It returns the
// time at which the next one ends; ok is false where there is none.
func (s *Set) Wake(now time.Time) (next time.Time, ok bool) {
	if s.timed == 0 {
		return time.Time{}, false
	}
	for i := range s.shards {
		sh := &s.shards[i]
		if sh.resting && !sh.restUntil.After(now) {
			s.endRest(i)
		}
		if sh.learnt && !sh.learntEnd.After(now) {
			sh.learnt, sh.limit = false, s.places
			s.timed--
			s.first = min(s.first, i)
		}
		if sh.resting && (!ok || sh.restUntil.Before(next)) {
			next, ok = sh.restUntil, true
		}
		if sh.learnt && (!ok || sh.learntEnd.Before(next)) {
			next, ok = sh.learntEnd, true
		}
	}
	return next, ok
}

func (s *Set) endRest(i int) {
	s.shards[i].resting = false
	s.timed--
	s.first = min(s.first, i)
}

// Full reports whether every place is held, of those that the peer grants: not even
// the end of a rest would give room.
func (s *Set) Full() bool {
	if len(s.shards) < s.most {
		return false
	}
	for i := range s.shards {
		if s.shards[i].open < s.shards[i].limit {
			return false
		}
	}
	return true
}

// Exhausted reports whether Reserve or Ready has found no room, and there has been none
// since.
func (s *Set) Exhausted() bool { return s.first == s.most }

// Promised returns the number of promised places.
func (s *Set) Promised() int { return s.total[Promised] }

// Landed returns the number of places with a member that has landed.
func (s *Set) Landed() int { return s.total[Landed] }

// Len returns the number of shards that have come into being.
func (s *Set) Len() int { return len(s.shards) }

// Used returns the number of shards with a place that is not free.
func (s *Set) Used() int { return s.used }

// At returns the tally of one shard.
func (s *Set) At(shard int) Tally { return tally(&s.shards[shard].held) }

// Total returns the tally of all shards together.
func (s *Set) Total() Tally { return tally(&s.total) }

func tally(n *[states]int) Tally {
	return Tally{Promised: n[Promised], Landed: n[Landed], Closing: n[Closing]}
}
