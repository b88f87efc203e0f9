package pooltest

import (
	"context"
	"sync"
	"testing"
)

// scope is the testing.TB of a backend under test. What is registered with it for
// cleanup runs when the scope ends, which is before the test does.
type scope struct {
	testing.TB
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	cleanups []func() // guarded by mu, as is over
	over     bool     // everything has been cleaned up
}

func newScope(tb testing.TB) *scope {
	s := &scope{TB: tb}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Context ends before the cleanup functions run.
func (s *scope) Context() context.Context { return s.ctx }

func (s *scope) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// Errorf does nothing when the scope has ended: somebody who was stuck in a check that
// has failed may still have something to say.
func (s *scope) Errorf(format string, args ...any) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.TB.Errorf(format, args...)
	}
}

// end runs the cleanup functions, the latest first. Each may fail the test.
func (s *scope) end() {
	s.cancel()
	s.mu.Lock()
	n := len(s.cleanups) - 1
	if n < 0 {
		s.over = true
		s.mu.Unlock()
		return
	}
	f := s.cleanups[n]
	s.cleanups = s.cleanups[:n]
	s.mu.Unlock()
	defer s.end()
	f()
}
