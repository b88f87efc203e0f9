package poolkit

// queue is a list of members, linked through them: the longest idle at the front.
type queue[C any] struct {
	by          int // which of the links
	front, back *member[C]
	len         int
}

// disorder is how many members may have overtaken one on its way. Those that more have
// overtaken do not get back to the place they had.
const disorder = 256

// push adds a member at the back, or in front of the first that was made after it on
// its shard.
func (q *queue[C]) push(m *member[C]) {
	prev := q.back
	if m.sequence > 0 {
		at := q.back
		for n := 0; n < disorder && at != nil && (at.shard != m.shard || at.sequence > m.sequence); n++ {
			earlier := at.links[q.by].prev
			if at.shard == m.shard {
				prev = earlier
			}
			at = earlier
		}
	}
	if prev == q.back {
		q.append(m)
		return
	}
	next := q.front
	if prev != nil {
		next = prev.links[q.by].next
	}
	m.links[q.by] = links[C]{prev, next}
	if prev == nil {
		q.front = m
	} else {
		prev.links[q.by].next = m
	}
	next.links[q.by].prev = m
	q.len++
}

// append adds a member at the back.
func (q *queue[C]) append(m *member[C]) {
	by := q.by & 1 // needs no check of the bounds
	m.links[by] = links[C]{q.back, nil}
	if q.back == nil {
		q.front = m
	} else {
		q.back.links[by].next = m
	}
	q.back = m
	q.len++
}

// oldest returns the member that has been idle longest, of those that can be lent.
func (q *queue[C]) oldest() *member[C] {
	m := q.front
	for m != nil && m.state != idle {
		m = m.links[q.by].next
	}
	return m
}

// newest returns the one that has been idle shortest.
func (q *queue[C]) newest() *member[C] {
	m := q.back
	for m != nil && m.state != idle {
		m = m.links[q.by].prev
	}
	return m
}

func (q *queue[C]) remove(m *member[C]) {
	by := q.by & 1
	at := &m.links[by]
	prev, next := at.prev, at.next
	if prev == nil {
		q.front = next
	} else {
		prev.links[by].next = next
	}
	if next == nil {
		q.back = prev
	} else {
		next.links[by].prev = prev
	}
	at.prev, at.next = nil, nil
	q.len--
}
