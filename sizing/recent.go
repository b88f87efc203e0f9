package sizing

import "time"

// recent is the takes of the last lead time: those whose replacements are still on
// their way.
type recent struct {
	ring       [2 * stepsPerLead]bundle
	begin, len int
	takes      int // in all of them
}

// bundle is takes that came within a short while.
type bundle struct {
	end, span time.Duration
	takes     int
}

// add notes takes of the time up to now.
func (r *recent) add(now, span time.Duration, takes int) {
	if takes <= 0 {
		return
	}
	r.takes += takes
	if r.len == len(r.ring) { // steps come faster than they were asked for
		last := &r.ring[(r.begin+r.len-1)%len(r.ring)]
		last.span += now - last.end
		last.end = now
		last.takes += takes
		return
	}
	r.ring[(r.begin+r.len)%len(r.ring)] = bundle{end: now, span: span, takes: takes}
	r.len++
}

// within returns the number of takes in the given time before now. It forgets what
// was before.
func (r *recent) within(now, lead time.Duration) int {
	from := now - lead
	for r.len > 0 && r.ring[r.begin].end <= from {
		r.takes -= r.ring[r.begin].takes
		r.begin = (r.begin + 1) % len(r.ring)
		r.len--
	}
	if r.len == 0 {
		return 0
	}
	oldest := &r.ring[r.begin]
	past := from - (oldest.end - oldest.span)
	if past <= 0 {
		return r.takes
	}
	return r.takes - int(float64(oldest.takes)*float64(past)/float64(oldest.span))
}
