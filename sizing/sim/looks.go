package sim

import (
	"slices"
	"time"
)

// glance is how often a caller who waits looks whether there is a member.
const glance = 50 * time.Millisecond

// looks is the callers who look, by when in each 50 ms they do: callers keep their
// turn for as long as they wait.
type looks struct {
	slots [256][]time.Duration // since when they wait, in the order of their turns
	len   int
}

// turn is when in each 50 ms a caller looks who has come then.
func turn(since time.Duration) time.Duration { return since % glance }

func slotOf(since time.Duration) int {
	return min(int(turn(since)*256/glance), 255)
}

func (l *looks) add(since time.Duration) {
	s := l.slots[slotOf(since)]
	i := len(s)
	for i > 0 && turn(s[i-1]) > turn(since) {
		i--
	}
	l.slots[slotOf(since)] = slices.Insert(s, i, since)
	l.len++
}

// remove reports whether the caller was there.
func (l *looks) remove(since time.Duration) bool {
	s := l.slots[slotOf(since)]
	i := slices.Index(s, since)
	if i < 0 {
		return false
	}
	l.slots[slotOf(since)] = slices.Delete(s, i, i+1)
	l.len--
	return true
}

// next returns who looks next, and when.
func (l *looks) next(now time.Duration) (since, at time.Duration) {
	first := slotOf(now)
	for n := range len(l.slots) + 1 {
		for _, since := range l.slots[(first+n)%len(l.slots)] {
			later := turn(since) > turn(now)
			switch {
			case n == 0 && !later, n == len(l.slots) && later: // in the slot of now: the rest of it comes first, the begin last
				continue
			case later:
				return since, now + turn(since) - turn(now)
			default:
				return since, now + turn(since) - turn(now) + glance
			}
		}
	}
	return 0, never
}
