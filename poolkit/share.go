package poolkit

import (
	"sync/atomic"
	"time"
)

// share is what one pool has of a budget, and what it wants. The ledger calls its
// methods, under the pool's mutex. A nil share is that of a pool without a budget: it
// gets all it wants.
type share struct {
	budget *Budget         // set by newShare, as is kick
	kick   chan<- struct{} // wakes the pool's keeper, who asks again
	turn   atomic.Bool     // the pool is to ask again: something is free

	gave bool // something was given back since the pool asked last; guarded by its mutex
	want want // in vain so far; written under the mutexes of both, so that either is enough to read it

	// Guarded by the budget's mutex.
	open, closing int
	quit          bool      // the pool has left: all that is open counts as closing
	since         time.Time // when the pool came to want a member, having none
	line          *shareLine
	prev, next    *share
}

// want is how many members a pool would dial.
type want struct {
	urgent int // for callers who wait
	spare  int // to have them ready
}

func (w want) all() int { return w.urgent + w.spare }

// rank is which line a share stands in.
type rank int

const (
	needy    rank = iota // callers wait, and the pool has no member at all
	waiting              // callers wait
	refill               // nobody waits
	unranked             // it stands in none
)

func newShare(b *Budget, kick chan<- struct{}) *share {
	if b == nil {
		return nil
	}
	return &share{budget: b, kick: kick}
}

func (s *share) rank() rank {
	switch {
	case s.want.urgent > 0 && s.open == 0:
		return needy
	case s.want.urgent > 0:
		return waiting
	case s.want.spare > 0:
		return refill
	}
	return unranked
}

// due reports whether asking for that could bring anything that asking last did not.
// A pool that wants fewer spares than it asked for may leave it at that: when its
// turn comes it takes what it then wants.
func (s *share) due(w want) bool {
	return s.gave || w.urgent != s.want.urgent || w.all() > s.want.all() || s.turn.Load()
}

// ask asks for so many members, instead of what was asked for before, and returns how
// many may be dialled. The pool is woken when there are more.
func (s *share) ask(w want) (granted int) {
	s.gave = false
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s.turn.Store(false)
	b.change(s, w)
	for b.open < b.limit && b.serves(s) {
		w := s.want
		if w.urgent > 0 {
			w.urgent--
		} else {
			w.spare--
		}
		s.open++
		b.open++
		granted++
		if s.line != nil {
			s.line.remove(s) // to the back
		}
		b.change(s, w)
	}
	b.settle()
	return granted
}

// serves reports whether what is free may go to this pool. Where nobody waits it goes
// to whoever asks: one that has just given something back is in use, and the others
// may be cold.
func (b *Budget) serves(s *share) bool {
	if s.want.urgent > 0 {
		return b.next() == s
	}
	return s.want.spare > 0 && b.urgent == 0
}

// withdraw ends all wants of the pool.
func (s *share) withdraw() {
	if s != nil && (s.gave || s.want.all() > 0 || s.turn.Load()) {
		s.ask(want{})
	}
}

// served says that callers may have been served, and so many still need a dial.
func (s *share) served(urgent int) {
	if s == nil || s.want.urgent <= urgent {
		return
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(s, want{urgent: urgent, spare: s.want.spare})
	b.settle()
}

// admit takes one for a member that a peer opens. It reports false where there is none.
func (s *share) admit() bool {
	if s == nil {
		return true
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open >= b.limit || b.urgent > 0 {
		return false
	}
	s.open++
	b.open++
	b.change(s, s.want)
	b.settle()
	return true
}

// denied returns how many members the pool wants in vain.
func (s *share) denied() int {
	if s == nil {
		return 0
	}
	return s.want.all()
}

// full reports whether nobody gets more now.
func (s *share) full() bool {
	if s == nil {
		return false
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open >= b.limit
}

// give gives back what a ticket stood for. An order follows.
func (s *share) give() {
	if s == nil {
		return
	}
	s.gave = true
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free(s)
}

// free takes back one from a pool.
func (b *Budget) free(s *share) {
	s.open--
	b.open--
	if s.quit {
		s.closing--
		b.closing--
	}
	b.change(s, s.want)
}

// leave says that the pool gives back all it has as soon as it can, also what is still on
// its way. It wants no more after that.
func (s *share) leave() {
	if s == nil {
		return
	}
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	s.quit = true
	b.closing += s.open - s.closing
	s.closing = s.open
	b.settle()
}

// moved follows a member into the states that matter to a budget. After the last, an
// order follows.
func (s *share) moved(to memberState, why Reason) {
	switch b := s.budget; to {
	case idle:
		if b.mood.Load() != calm {
			b.signal()
		}
	case closing:
		b.mu.Lock()
		defer b.mu.Unlock()
		if !s.quit {
			s.closing++
			b.closing++
		}
		if why == Evicted {
			b.evicted++
		}
		b.settle()
	case shut:
		s.gave = true
		b.mu.Lock()
		defer b.mu.Unlock()
		if !s.quit {
			s.closing--
			b.closing--
		}
		b.free(s)
	default:
	}
}

// yields reports whether a member that comes back has to be shut for others, though
// callers of this pool may be waiting for it.
func (s *share) yields(wanted bool) bool {
	b := s.budget
	if b.mood.Load() == calm {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.shortage() <= 0:
		return false
	case b.open-b.closing > b.limit:
		return true
	case b.mood.Load() != dry:
		return false // somebody's idle member goes instead
	case !wanted:
		return true
	}
	first := b.lines[needy].front
	return first != nil && (s.open-s.closing > 1 || time.Since(first.since) >= patience)
}

// change notes what a pool has and wants, and has it stand in the line it belongs in.
func (b *Budget) change(s *share, w want) {
	b.urgent += w.urgent - s.want.urgent
	s.want = w
	var line *shareLine
	if r := s.rank(); r != unranked {
		line = &b.lines[r]
	}
	if s.line == line {
		return
	}
	if s.line != nil {
		s.line.remove(s)
	}
	if line == nil {
		return
	}
	if line == &b.lines[needy] {
		s.since = time.Now()
	}
	line.push(s)
}

// next returns the share whose turn it is, or nil.
func (b *Budget) next() *share {
	for i := range b.lines {
		if s := b.lines[i].front; s != nil {
			return s
		}
	}
	return nil
}

// shareLine is shares in order, linked through them.
type shareLine struct{ front, back *share }

func (l *shareLine) push(s *share) {
	s.line, s.prev, s.next = l, l.back, nil
	if l.back == nil {
		l.front = s
	} else {
		l.back.next = s
	}
	l.back = s
}

func (l *shareLine) remove(s *share) {
	if s.prev == nil {
		l.front = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.back = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.line, s.prev, s.next = nil, nil, nil
}
