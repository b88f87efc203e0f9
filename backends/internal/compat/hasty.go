package compat

import (
	"context"
	"runtime/debug"

	"github.com/vistone/poolkit/poolkit"
)

// Hasty calls a function of the user's that knows no context. When ctx ends first, it
// does not wait for the function, whose goroutine ends when it returns; late, unless it
// is nil, is told then what it returned. A panic is a [*poolkit.PanicError] of that
// callback.
func Hasty[T any](ctx context.Context, callback string, f func() (T, error), late func(T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer) // unbuffered, so that an answer is either taken or late; never closed
	go func() {
		var a answer
		defer func() { // also when f ends the goroutine
			select {
			case answers <- a:
			case <-ctx.Done():
				if late != nil {
					late(a.value, a.err)
				}
			}
		}()
		defer func() {
			if v := recover(); v != nil {
				a.err = &poolkit.PanicError{Callback: callback, Value: v, Stack: debug.Stack()}
			}
		}()
		a.value, a.err = f()
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
