package keyed

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/vistone/poolkit/poolkit"
)

// AcquireError says for which key nothing was acquired, why, and how all keys stood
// then.
type AcquireError struct {
	Key   any   // the key
	Err   error // what its pool said, most often a [*poolkit.AcquireError], or why it has none
	Stats Stats // all keys at that moment
}

func (e *AcquireError) Error() string {
	return fmt.Sprintf("keyed: key %v: %v (%d keys have %d open of %d, %d waiting)",
		e.Key, e.Err, e.Stats.Keys, e.Stats.Open, e.Stats.Budget, e.Stats.Waiting)
}

// Unwrap returns Err.
func (e *AcquireError) Unwrap() error { return e.Err }

// Timeout reports whether the caller's deadline ended the wait. With it an AcquireError
// is a [net.Error] to those who test for one.
func (e *AcquireError) Timeout() bool { return errors.Is(e.Err, context.DeadlineExceeded) }

// Temporary is the other half of [net.Error]. It is the same as Timeout.
func (e *AcquireError) Temporary() bool { return e.Timeout() }

// explain says for which key something went wrong.
func (p *Pool[K, C]) explain(key K, err error) error {
	if err == nil {
		return nil
	}
	return &AcquireError{Key: key, Err: err, Stats: p.Stats()}
}

// whyEnded returns why ctx ended, in a form in which both its error and its cause can be
// found.
func whyEnded(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// Every call of somebody else's code is here, each without the lock and each with its
// panics turned into errors.

// contain is deferred around every callback.
func contain(callback string, err *error) {
	if v := recover(); v != nil {
		*err = &poolkit.PanicError{Callback: callback, Value: v, Stack: debug.Stack()}
	}
}

func (p *Pool[K, C]) callPool(key K) (cfg poolkit.Config[C], err error) {
	defer contain("Config.Pool", &err)
	return p.cfg.Pool(key)
}

func (p *Pool[K, C]) hookOpened(key K) {
	if p.cfg.Hooks.Opened == nil {
		return
	}
	var err error
	defer p.report(key, &err)
	defer contain("Hooks.Opened", &err)
	p.cfg.Hooks.Opened(key)
}

func (p *Pool[K, C]) hookClosed(key K, closeErr error) {
	if p.cfg.Hooks.Closed == nil {
		return
	}
	var err error
	defer p.report(key, &err)
	defer contain("Hooks.Closed", &err)
	p.cfg.Hooks.Closed(key, closeErr)
}

func (p *Pool[K, C]) hookFailed(key K, failure error) {
	if p.cfg.Hooks.Failed == nil {
		return
	}
	var err error // a panic of the hook that reports panics is reported to nobody
	defer contain("Hooks.Failed", &err)
	p.cfg.Hooks.Failed(key, failure)
}

// report tells the Failed hook of an error that no other way leads to. It is deferred
// before contain, so that it runs after it.
func (p *Pool[K, C]) report(key K, err *error) {
	if *err != nil {
		p.hookFailed(key, *err)
	}
}
