package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"sync"
	"time"
)

// exchange lets each end fetch half of the files from the other, both at the same
// time. From round to round the halves change places.
func (l *link) exchange(ctx context.Context, root *os.Root, f *files) *report {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, e := range []*end{l.server, l.client} {
		e.serving.Go(func() {
			if err := e.serve(ctx, root); err != nil {
				cancel(fmt.Errorf("serve: %w", err))
			}
		})
	}

	begun := time.Now()
	results := make(chan fetched)
	var fetching sync.WaitGroup
	fetching.Go(func() { l.client.fetch(ctx, root, f.half(0), results) })
	fetching.Go(func() { l.server.fetch(ctx, root, f.half(1), results) })
	go func() {
		fetching.Wait()
		close(results) // which ends the loop below
	}()

	r := new(report)
	p := newProgress(len(f.list) * f.rounds())
	defer p.finish()
	for {
		select {
		case one, ok := <-results:
			if !ok {
				r.elapsed = time.Since(begun)
				r.interrupted = context.Cause(ctx)
				return r
			}
			r.all = append(r.all, one)
		case <-p.tick():
			p.show(r.all)
		}
	}
}

// half yields every other file, beginning with the one of the given number, in the
// next round the other ones, and so on.
func (f *files) half(first int) iter.Seq[file] {
	return func(yield func(file) bool) {
		for round := range f.rounds() {
			for i := (first + round) % 2; i < len(f.list); i += 2 {
				if !yield(f.list[i]) {
					return
				}
			}
		}
	}
}
