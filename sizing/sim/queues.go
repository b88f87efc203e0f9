package sim

import "time"

// fifo is a queue of times that can be shortened at both ends.
type fifo struct {
	ring       []time.Duration // its length is a power of two
	begin, len int
}

func (q *fifo) push(t time.Duration) {
	if q.len == len(q.ring) {
		grown := make([]time.Duration, max(16, 2*len(q.ring)))
		for i := range q.len {
			grown[i] = q.at(i)
		}
		q.ring, q.begin = grown, 0
	}
	q.ring[(q.begin+q.len)&(len(q.ring)-1)] = t
	q.len++
}

func (q *fifo) at(i int) time.Duration { return q.ring[(q.begin+i)&(len(q.ring)-1)] }

func (q *fifo) pop() time.Duration {
	t := q.at(0)
	q.begin = (q.begin + 1) & (len(q.ring) - 1)
	q.len--
	return t
}

// outlive drops the times up to now. It returns the least that is left, or never.
func (q *fifo) outlive(now time.Duration) (next time.Duration) {
	next = never
	left := 0
	for i := range q.len {
		t := q.at(i)
		if t <= now {
			continue
		}
		q.ring[(q.begin+left)&(len(q.ring)-1)] = t
		left++
		next = min(next, t)
	}
	q.len = left
	return next
}

// creation is a member on its way.
type creation struct {
	begun, due time.Duration
	fails      bool
}

// heap is the members on their way, the next to arrive first.
type heap []creation

func (h *heap) push(c creation) {
	*h = append(*h, c)
	all := *h
	i := len(all) - 1
	for i > 0 {
		up := (i - 1) / 2
		if all[up].due <= c.due {
			break
		}
		all[i] = all[up]
		i = up
	}
	all[i] = c
}

func (h *heap) pop() creation {
	all := *h
	first, last := all[0], all[len(all)-1]
	all = all[:len(all)-1]
	*h = all
	if len(all) == 0 {
		return first
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(all) {
			break
		}
		if down+1 < len(all) && all[down+1].due < all[down].due {
			down++
		}
		if last.due <= all[down].due {
			break
		}
		all[i] = all[down]
		i = down
	}
	all[i] = last
	return first
}
