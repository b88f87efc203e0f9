package poolkit

// waiter is one caller that waits for a member. It is in at most one line, and
// gets exactly one answer once it has been taken out of it, unless it left by
// itself.
type waiter[C any] struct {
	id   ID
	byID bool // wants the member named id; otherwise any

	// The answer: written by whoever takes the waiter out of its line, before it
	// sends on ready.
	member *member[C]
	err    error

	// ready carries one token for each answer. Only the goroutine that took the
	// waiter out of its line sends, so with capacity 1 it never blocks. Never closed.
	ready chan struct{}

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

// waitlist is everybody who waits: one line for any member, and one for each ID
// that somebody waits for.
type waitlist[C any] struct {
	any  line[C]
	byID map[ID]*line[C]
	len  int
}

func (l *waitlist[C]) add(w *waiter[C]) {
	l.len++
	if !w.byID {
		l.any.push(w)
		return
	}
	if l.byID == nil {
		l.byID = make(map[ID]*line[C])
	}
	ln := l.byID[w.id]
	if ln == nil {
		ln = new(line[C])
		l.byID[w.id] = ln
	}
	ln.push(w)
}

// remove takes w out of its line. It reports false when w is in none: then its
// answer has been given, or is about to be.
func (l *waitlist[C]) remove(w *waiter[C]) bool {
	ln := w.line
	if ln == nil {
		return false
	}
	ln.remove(w)
	if w.byID && ln.len == 0 {
		delete(l.byID, w.id)
	}
	l.len--
	return true
}

// next takes out the waiter that the member named id goes to: the first who waits
// for that one, else the first who waits for any. It returns nil when there is
// none.
func (l *waitlist[C]) next(id ID) *waiter[C] {
	if l.len == 0 {
		return nil
	}
	w := l.any.front
	if ln := l.byID[id]; ln != nil {
		w = ln.front
	}
	if w != nil {
		l.remove(w)
	}
	return w
}

// fail takes out everybody and gives each of them err for an answer. The caller
// sends the tokens.
func (l *waitlist[C]) fail(err error) []*waiter[C] {
	if l.len == 0 {
		return nil
	}
	all := make([]*waiter[C], 0, l.len)
	for w := l.any.front; w != nil; w = l.any.front {
		l.remove(w)
		all = append(all, w)
	}
	for _, ln := range l.byID {
		for w := ln.front; w != nil; w = ln.front {
			l.remove(w)
			all = append(all, w)
		}
	}
	for _, w := range all {
		w.err = err
	}
	return all
}
