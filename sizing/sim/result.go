package sim

import (
	"slices"
	"time"
)

// Result is what a run came to, after its warm-up.
type Result struct {
	Length time.Duration // that was measured

	Gets   int // members asked for
	Misses int // of these, how many found none ready
	Lost   int // of these, how many gave up

	Waits []time.Duration // of the misses, the shortest first

	Idle     float64 // members ready, on average over time
	Creating float64 // members on their way, on average

	Created int // members that arrived
	Failed  int // creations that failed
	Wasted  int // members that were closed or died unused
	Steps   int // of the policy

	Trace []Sample // of the whole run, if the world has Every set
}

// Sample is a short stretch of a run.
type Sample struct {
	Begin  time.Duration
	Takes  int
	Misses int
	Target int           // at its end
	Idle   float64       // on average
	Wait   time.Duration // the longest of those that ended in it
}

// MissRatio is the share of gets that found no member ready.
func (r Result) MissRatio() float64 { return float64(r.Misses) / float64(max(r.Gets, 1)) }

// Cost is what the run cost in idle members, where one avoided wait is worth price of
// the time of an idle member: their number plus price × misses per second.
func (r Result) Cost(price time.Duration) float64 {
	return r.Idle + price.Seconds()*float64(r.Misses)/r.Length.Seconds()
}

// Wait returns the wait that the given share of the gets did not exceed. A get that
// found a member ready did not wait.
func (r Result) Wait(share float64) time.Duration {
	i := int(share*float64(r.Gets)) - (r.Gets - len(r.Waits))
	switch {
	case i < 0 || len(r.Waits) == 0:
		return 0
	case i >= len(r.Waits):
		return r.Waits[len(r.Waits)-1]
	}
	return r.Waits[i]
}

// Longest is the longest wait.
func (r Result) Longest() time.Duration { return r.Wait(1) }

// meter measures a run.
type meter struct {
	Result

	warmUp         time.Duration
	now            time.Duration
	idle, creating time.Duration // member-seconds

	every  time.Duration
	sample Sample
	area   time.Duration // of idle in the sample
}

func newMeter(w *World, d *Demand) meter {
	return meter{warmUp: d.WarmUp, every: w.Every}
}

// advance lets time pass in which so many members were ready and on their way.
func (m *meter) advance(to time.Duration, idle, creating, target int) {
	if m.every > 0 {
		for m.sample.Begin+m.every <= to {
			end := m.sample.Begin + m.every
			m.area += time.Duration(idle) * (end - max(m.now, m.sample.Begin))
			m.sample.Idle = float64(m.area) / float64(m.every)
			m.sample.Target = target
			m.Trace = append(m.Trace, m.sample)
			m.sample, m.area = Sample{Begin: end}, 0
		}
		m.area += time.Duration(idle) * (to - max(m.now, m.sample.Begin))
	}
	if to > m.warmUp {
		past := to - max(m.now, m.warmUp)
		m.idle += time.Duration(idle) * past
		m.creating += time.Duration(creating) * past
	}
	m.now = to
}

// measured reports whether what happens now counts.
func (m *meter) measured() bool { return m.now >= m.warmUp }

func (m *meter) take() {
	m.sample.Takes++
	if m.measured() {
		m.Gets++
	}
}

func (m *meter) miss() {
	m.sample.Misses++
	if m.measured() {
		m.Misses++
	}
}

// waited notes the end of a wait. It counts by when it began.
func (m *meter) waited(since time.Duration) {
	wait := m.now - since
	m.sample.Wait = max(m.sample.Wait, wait)
	if since >= m.warmUp {
		m.Waits = append(m.Waits, wait)
	}
}

func (m *meter) gaveUp(since time.Duration) {
	m.waited(since)
	if since >= m.warmUp {
		m.Lost++
	}
}

func (m *meter) count(n *int, by int) {
	if m.measured() {
		*n += by
	}
}

func (m *meter) result(end time.Duration) Result {
	r := m.Result
	r.Length = end - m.warmUp
	r.Idle = float64(m.idle) / float64(r.Length)
	r.Creating = float64(m.creating) / float64(r.Length)
	slices.Sort(r.Waits)
	return r
}
