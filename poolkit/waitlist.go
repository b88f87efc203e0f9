package poolkit

// wish says which member is asked for. The zero wish is for any.
type wish struct {
	kind wishKind
	id   ID     // with forID
	peer string // with forPeer
}

type wishKind uint8

const (
	forAny  wishKind = iota
	forID            // the member with a certain ID
	forPeer          // any member of a certain peer
)

// waiter is one caller that waits for a member. It is in at most one line, and
// gets exactly one answer once it has been taken out of it, unless it left by
// itself.
type waiter[C any] struct {
	wish

	// The answer: written by whoever takes the waiter out of its line, before it
	// sends on ready.
	member *member[C]
	err    error
	whole  error // what the caller returns, where it has been made out of err already

	// ready carries one token for each answer. Only the goroutine that took the
	// waiter out of its line sends, so with capacity 1 it never blocks. Never closed.
	ready chan struct{}

	turn       uint64   // the later it came, the higher
	line       *line[C] // nil when in none
	prev, next *waiter[C]
}

// line is waiters in order of arrival, linked through them.
type line[C any] struct {
	front, back *waiter[C]
	len         int
}

func (l *line[C]) push(w *waiter[C]) {
	w.line, w.prev, w.next = l, l.back, nil
	if l.back == nil {
		l.front = w
	} else {
		l.back.next = w
	}
	l.back = w
	l.len++
}

func (l *line[C]) remove(w *waiter[C]) {
	if w.prev == nil {
		l.front = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.back = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.line, w.prev, w.next = nil, nil, nil
	l.len--
}

// waitlist is everybody who waits: one line for any member, and one for each ID and
// each peer that somebody waits for.
type waitlist[C any] struct {
	any    line[C]
	byID   map[ID]*line[C]
	byPeer map[string]*line[C]
	len    int
	turns  uint64 // counts those who came
}

func (l *waitlist[C]) add(w *waiter[C]) {
	l.len++
	l.turns++
	w.turn = l.turns
	switch w.kind {
	case forID:
		lineFor(&l.byID, w.id).push(w)
	case forPeer:
		lineFor(&l.byPeer, w.peer).push(w)
	default:
		l.any.push(w)
	}
}

// lineFor returns the line of a key, which may be a new one.
func lineFor[K comparable, C any](lines *map[K]*line[C], key K) *line[C] {
	ln := (*lines)[key]
	if ln != nil {
		return ln
	}
	if *lines == nil {
		*lines = make(map[K]*line[C])
	}
	ln = new(line[C])
	(*lines)[key] = ln
	return ln
}

// remove takes w out of its line. It reports false when w is in none: then its
// answer has been given, or is about to be.
func (l *waitlist[C]) remove(w *waiter[C]) bool {
	ln := w.line
	if ln == nil {
		return false
	}
	ln.remove(w)
	l.len--
	if ln.len > 0 {
		return true
	}
	switch w.kind {
	case forID:
		delete(l.byID, w.id)
	case forPeer:
		delete(l.byPeer, w.peer)
	default:
	}
	return true
}

// next takes out the waiter that a member goes to: the first who waits for its ID,
// else, unless it is leaving, whoever came first of those who wait for its peer or for
// any. It returns nil when there is none.
func (l *waitlist[C]) next(m *member[C]) *waiter[C] {
	if l.len == 0 {
		return nil
	}
	w := l.any.front
	if m.outlook == parting {
		w = nil
	} else if m.peer != nil {
		if ln := l.byPeer[m.peer.name]; ln != nil && (w == nil || ln.front.turn < w.turn) {
			w = ln.front
		}
	}
	if ln := l.byID[m.id]; ln != nil {
		w = ln.front
	}
	if w != nil {
		l.remove(w)
	}
	return w
}

// failID takes out those who wait for a certain member, as fail does.
func (l *waitlist[C]) failID(id ID, err error) []*waiter[C] {
	ln := l.byID[id]
	if ln == nil {
		return nil
	}
	return l.failLine(nil, ln, err)
}

// fail takes out everybody and gives each of them err for an answer. The caller
// sends the tokens.
func (l *waitlist[C]) fail(err error) []*waiter[C] {
	all := l.failLines(err)
	for _, ln := range l.byID {
		all = l.failLine(all, ln, err)
	}
	return all
}

// failAny is fail for those who wait for any member.
func (l *waitlist[C]) failAny(err error) []*waiter[C] { return l.failLine(nil, &l.any, err) }

// failLines is fail without those who wait for an ID.
func (l *waitlist[C]) failLines(err error) []*waiter[C] {
	if l.len == 0 {
		return nil
	}
	all := l.failLine(make([]*waiter[C], 0, l.len), &l.any, err)
	for _, ln := range l.byPeer {
		all = l.failLine(all, ln, err)
	}
	return all
}

func (l *waitlist[C]) failLine(failed []*waiter[C], ln *line[C], err error) []*waiter[C] {
	for w := ln.front; w != nil; w = ln.front {
		l.remove(w)
		w.err = err
		failed = append(failed, w)
	}
	return failed
}
