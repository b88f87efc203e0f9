package quic

// list is values in the order in which they were added, linked through nodes that
// the values bring along. Nothing is allocated, and any node is removed in one step,
// without knowing its list: the links form a ring, in which root stands between the
// last and the first.
type list[T any] struct {
	root node[T]
}

// node is a value's place in a list. The zero node is in none.
type node[T any] struct {
	value      T
	prev, next *node[T]
}

// front returns the first node, or nil when there is none.
func (l *list[T]) front() *node[T] {
	if l.root.next == &l.root {
		return nil
	}
	return l.root.next
}

// takeAll takes out every node, and returns their values after those given.
func (l *list[T]) takeAll(values []T) []T {
	for n := l.front(); n != nil; n = l.front() {
		values = append(values, n.value)
		n.remove()
	}
	return values
}

// len counts the nodes, one by one.
func (l *list[T]) len() (n int) {
	for at := l.front(); at != nil && at != &l.root; at = at.next {
		n++
	}
	return n
}

func (l *list[T]) push(n *node[T], value T) {
	root := &l.root
	if root.next == nil {
		root.prev, root.next = root, root
	}
	n.value, n.prev, n.next = value, root.prev, root
	n.prev.next, root.prev = n, n
}

// remove takes a node out. It reports false when it is in no list.
func (n *node[T]) remove() bool {
	if n.next == nil {
		return false
	}
	n.prev.next, n.next.prev = n.next, n.prev
	*n = node[T]{}
	return true
}
