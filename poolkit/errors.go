package poolkit

import (
	"context"
	"errors"
	"fmt"
	"net" // for net.ErrClosed alone, which callers test for
	"runtime/debug"
)

var (
	// ErrClosed is returned once a pool is closed or draining. It wraps
	// [net.ErrClosed].
	ErrClosed = fmt.Errorf("pool closed: %w", net.ErrClosed)

	// ErrShardFull is what a [Dialer] returns when the peer grants no more members
	// on a shard for now. It is no failure: the pool places the member elsewhere.
	ErrShardFull = errors.New("no more members on this shard for now")

	// ErrDuplicateID is why a member is turned away whose ID an open member of the
	// pool already has.
	ErrDuplicateID = errors.New("duplicate ID")

	// ErrLost is why a member is turned away that ended while it was arriving, and why
	// one that is asked for by ID is not lent when it has just ended.
	ErrLost = errors.New("the member has ended")
)

// Permanent marks an error that waiting will not cure: a rejected certificate, a
// wrong configuration. The pool tells it to everybody who waits, at once, and to
// every later caller who would have to wait, until a member arrives after all. It
// keeps trying, at its slowest pace.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err, or an error it wraps, is marked by [Permanent].
func IsPermanent(err error) bool {
	_, permanent := errors.AsType[*permanentError](err)
	return permanent
}

type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// PanicError is a panic in a callback, or its call of [runtime.Goexit], turned into an
// error.
type PanicError struct {
	Callback string // which callback: "Dial", "Admit", …
	Value    any    // what it panicked with
	Stack    []byte // where
}

func (e *PanicError) Error() string {
	if e.Value == any(errGoexit) {
		return fmt.Sprintf("%s %v", e.Callback, errGoexit)
	}
	return fmt.Sprintf("%s panicked: %v", e.Callback, e.Value)
}

// Unwrap returns what the callback panicked with, if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

var (
	// errUnreturned is the error of a callback until it returns.
	errUnreturned = errors.New("has not returned")

	errGoexit = errors.New("called runtime.Goexit, as FailNow of a test does")
)

// contain is deferred around every callback, whose error is errUnreturned before: it
// turns a panic into an error. The end of the goroutine cannot be helped, but it is an
// error too, for whoever has deferred the rest of the work.
func contain(callback string, err *error) {
	v := recover()
	if v == nil {
		if *err != errUnreturned { //nolint:errorlint // to look into an error may panic
			return
		}
		v = errGoexit
	}
	*err = &PanicError{Callback: callback, Value: v, Stack: debug.Stack()}
}

// AcquireError says why nothing was acquired, or why the wait of [Pool.WaitReady] was
// in vain, and how the pool stood then. It is not to be changed: callers who are told the
// same at once may share one.
type AcquireError struct {
	ID   ID   // the member that was asked for, if ByID
	ByID bool // whether a certain member was asked for

	Peer   string // the peer whose member was asked for, if ByPeer
	ByPeer bool   // whether a member of a certain peer was asked for

	// Err is why the wait ended: the context's error, [ErrClosed], [ErrLost], the permanent
	// error that keeps the pool from making members, or why what was asked for cannot come.
	Err error

	// Last is the latest failure to make a member, as [Stats.LastError] has it.
	Last error

	Stats Stats // the pool at that moment

	ready int             // how many members WaitReady waited for
	done  <-chan struct{} // of the context whose end it is about, where others may wait under that
}

func (e *AcquireError) Error() string {
	what := "acquire a member"
	switch {
	case e.ByID:
		what = "acquire member " + e.ID.String()
	case e.ByPeer:
		what = fmt.Sprintf("acquire a member of peer %q", e.Peer)
	case e.ready > 0:
		what = fmt.Sprintf("wait for %d idle members", e.ready)
	}
	s := fmt.Sprintf("poolkit: %s: %v (%d idle of %d, %d on loan, %d on their way, %d waiting",
		what, e.Err, e.Stats.Idle, e.Stats.Capacity, e.Stats.OnLoan, e.Stats.Promised, e.Stats.Waiting)
	if e.Stats.Denied > 0 {
		s += fmt.Sprintf("; %d more would be dialled if the Budget allowed it", e.Stats.Denied)
	}
	if e.Last != nil && !errors.Is(e.Err, e.Last) {
		s += fmt.Sprintf("; last failure: %v", e.Last)
	}
	return s + ")"
}

// Unwrap returns Err.
func (e *AcquireError) Unwrap() error { return e.Err }

// Timeout reports whether the caller's deadline ended the wait. With it an
// AcquireError is a [net.Error] to those who test for one.
func (e *AcquireError) Timeout() bool {
	return errors.Is(e.Err, context.DeadlineExceeded) && !IsPermanent(e.Err)
}

// Temporary is the other half of [net.Error]. It is the same as Timeout.
func (e *AcquireError) Temporary() bool { return e.Timeout() }
