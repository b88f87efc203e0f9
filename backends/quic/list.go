package quic

// list is values in the order in which they were added, linked through nodes that
// the values bring along. Nothing is allocated, and any node is removed in one step.
type list[T any] struct {
	front, back *node[T]
	len         int
}

// node is a value's place in a list. The zero node is in none.
type node[T any] struct {
	value      T
	in         *list[T]
	prev, next *node[T]
}

func (l *list[T]) push(n *node[T], value T) {
	n.value, n.in, n.prev, n.next = value, l, l.back, nil
	if l.back == nil {
		l.front = n
	} else {
		l.back.next = n
	}
	l.back = n
	l.len++
}

// remove takes a node out. It reports false when it is in no list.
func (n *node[T]) remove() bool {
	l := n.in
	if l == nil {
		return false
	}
	if n.prev == nil {
		l.front = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.back = n.prev
	} else {
		n.next.prev = n.prev
	}
	l.len--
	*n = node[T]{}
	return true
}
