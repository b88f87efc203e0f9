package poolkit

import (
	"context"
	"errors"
	"fmt"
)

// wait waits for a member. It unlocks mu. What it does not need is not in its frame, nor in
// those below it: the stack of a goroutine that begins with a wait is just large enough,
// and to let it grow takes as long as half of a wait in vain.
func (p *Pool[C]) wait(ctx context.Context, a *ask) (*member[C], error) {
	if ctx.Err() != nil {
		return nil, p.late(ctx, a)
	}
	p.ledger.missed(a)
	w, _ := p.spare.Get().(*waiter[C])
	if w == nil {
		w = &waiter[C]{ready: make(chan struct{}, 1)}
	}
	w.wish = a.wish
	p.ledger.waiters.add(w)
	p.taken()

	m, err := p.await(ctx, w)
	w.member, w.err, w.whole = nil, nil, nil
	p.spare.Put(w)
	return m, err
}

// late tells a caller whose ctx had ended before it could wait. Nothing is dialled for it.
// It unlocks mu.
func (p *Pool[C]) late(ctx context.Context, a *ask) error {
	err := p.acquireError(&a.wish, whyEnded(ctx))
	p.taken()
	return err
}

// await waits for the answer to w.
func (p *Pool[C]) await(ctx context.Context, w *waiter[C]) (*member[C], error) {
	if done := ctx.Done(); done == nil {
		<-w.ready // to select takes a tenth of a hand-off longer
	} else {
		select {
		case <-w.ready:
		case <-done:
			return p.giveUp(ctx, w)
		}
	}
	return p.answer(w)
}

// giveUp ends a wait, unless the answer is on its way: whoever took w out of its line
// sends it. Those who wanted any and whose contexts are one share an error: with one for
// each, a thousand that give up together take half as long again.
func (p *Pool[C]) giveUp(ctx context.Context, w *waiter[C]) (*member[C], error) {
	done := ctx.Done()
	e := p.shared(w, done)
	var why error
	if e == nil {
		why = whyEnded(ctx)
	}
	p.mu.Lock()
	if !p.ledger.waiters.remove(w) {
		p.mu.Unlock()
		<-w.ready
		return p.answer(w)
	}
	if e == nil {
		e = p.shared(w, done) // somebody may have made it meanwhile
	}
	if e == nil {
		e = p.acquireError(&w.wish, why)
		if w.kind == forAny {
			e.done = done
			p.vain.Store(e)
		}
	}
	p.ledger.share.served(p.ledger.urgent()) // or given up
	p.mu.Unlock()
	return nil, e
}

// shared returns the error of those who gave up last, if it will do for w too, or nil.
func (p *Pool[C]) shared(w *waiter[C], done <-chan struct{}) *AcquireError {
	if e := p.vain.Load(); e != nil && e.done == done && w.kind == forAny {
		return e
	}
	return nil
}

// answer returns what w was told.
func (p *Pool[C]) answer(w *waiter[C]) (*member[C], error) {
	if w.err == nil {
		return w.member, nil
	}
	if w.whole != nil {
		return nil, w.whole
	}
	p.mu.Lock()
	err := p.acquireError(&w.wish, w.err)
	p.mu.Unlock()
	return nil, err
}

// explain makes the error of those who were told the same and wanted any, under mu: one for
// all of them. A thousand who made theirs one after the other would wait for each other.
func (p *Pool[C]) explain(told []*waiter[C]) []*waiter[C] {
	var shared error
	for _, w := range told {
		if w.kind == forAny {
			if shared == nil {
				shared = p.acquireError(&w.wish, w.err)
			}
			w.whole = shared
		}
	}
	return told
}

// whyEnded returns why ctx ended, in a form in which both its error and its cause
// can be found.
func whyEnded(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// acquireError describes a refusal, under mu.
func (p *Pool[C]) acquireError(want *wish, err error) *AcquireError {
	e := &AcquireError{
		ID: want.id, ByID: want.kind == forID,
		Peer: want.peer, ByPeer: want.kind == forPeer,
		Err: err, Last: p.ledger.last,
	}
	p.describe(&e.Stats)
	return e
}
