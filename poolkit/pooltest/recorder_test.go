package pooltest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// recorder is a testing.TB that keeps what it is told, and fails nothing.
type recorder struct {
	testing.TB

	mu              sync.Mutex
	said            []string // guarded by mu, as is the rest
	failed, skipped bool
}

func (r *recorder) say(failed bool, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = r.failed || failed
	r.said = append(r.said, text)
}

func (r *recorder) Error(args ...any)                 { r.say(true, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) { r.say(true, fmt.Sprintf(format, args...)) }
func (r *recorder) Fail()                             { r.say(true, "") }
func (r *recorder) Skip(args ...any)                  { r.Log(args...); r.SkipNow() }
func (r *recorder) Skipf(format string, args ...any)  { r.Logf(format, args...); r.SkipNow() }
func (r *recorder) Log(args ...any)                   { r.say(false, fmt.Sprint(args...)) }
func (r *recorder) Logf(format string, args ...any)   { r.say(false, fmt.Sprintf(format, args...)) }

func (r *recorder) Fatal(args ...any) {
	r.Error(args...)
	r.FailNow()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.FailNow()
}

func (r *recorder) FailNow() {
	r.Fail()
	panic(abandoned{})
}

func (r *recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	panic(abandoned{})
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) Skipped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

// abandoned is the panic with which a recorded test ends early.
type abandoned struct{}

// verdict does a check in virtual time. What is stuck in it gets free when never is
// closed, after the check.
func verdict[C comparable](t *testing.T, c check[C], f func(tb testing.TB, never <-chan struct{}) Backend[C]) *recorder {
	t.Helper()
	r := new(recorder)
	synctest.Test(t, func(t *testing.T) {
		r.TB = t
		never := make(chan struct{})
		defer close(never)
		defer func() {
			if v := recover(); v != nil && v != (abandoned{}) {
				panic(v)
			}
		}()
		perform(r, func(tb testing.TB) Backend[C] { return f(tb, never) }, c, true)
	})
	return r
}
