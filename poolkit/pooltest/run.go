package pooltest

import (
	"testing"
	"testing/synctest"
)

// Run checks a backend in subtests, in real time. For each it gets a fresh backend from
// the factory, opens a pool, and closes it. When all that is over no goroutine may be
// left that was not there before, so Run must not be called from a parallel test.
//
// Each check waits for what has to happen, and fails after half a minute of waiting.
func Run[C comparable](t *testing.T, f Factory[C]) {
	t.Helper()
	for _, c := range checks[C]() {
		t.Run(c.name, func(t *testing.T) { perform(t, f, c, false) })
	}
}

// RunInBubble is [Run] in virtual time, a bubble of [testing/synctest] for each check.
// It is for backends that wait for nothing outside of the bubble, such as the network:
// there, nothing would ever seem to have come to rest. A goroutine that is left over
// panics, as a bubble does, once the check has said which.
func RunInBubble[C comparable](t *testing.T, f Factory[C]) {
	t.Helper()
	for _, c := range checks[C]() {
		t.Run(c.name, func(t *testing.T) {
			skipped := false
			synctest.Test(t, func(t *testing.T) {
				defer func() { skipped = t.Skipped() }()
				perform(t, f, c, true)
			})
			if skipped {
				t.SkipNow() // the bubble does not tell
			}
		})
	}
}

// check is one thing that is checked.
type check[C comparable] struct {
	name  string
	check func(r *rig[C])

	// moments is how often it is done, with another r.moment each time; zero means once.
	moments int
}

// perform does a check.
func perform[C comparable](tb testing.TB, f Factory[C], c check[C], bubble bool) {
	for moment := range max(1, c.moments) {
		once(tb, f, bubble, func(r *rig[C]) {
			r.moment = moment
			c.check(r)
		})
		if tb.Failed() {
			return
		}
	}
}

// once does a check with one backend. When it returns, that is gone.
func once[C comparable](tb testing.TB, f Factory[C], bubble bool, do func(r *rig[C])) {
	before := goroutines()
	defer func() {
		if !tb.Failed() && !tb.Skipped() {
			noneLeft(tb, before, bubble)
		}
	}()
	s := newScope(tb)
	defer s.end()
	r := &rig[C]{TB: s, backend: f(s), bubble: bubble}
	r.census.tb = s
	defer r.end()
	do(r)
	r.close()
}
