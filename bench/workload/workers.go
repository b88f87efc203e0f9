package workload

import (
	"context"

	"github.com/vistone/poolkit/bench/subject"
)

// each returns so many workers of a pool.
func each[W subject.Worker](p subject.Pool, workers int) []W {
	all := make([]W, workers)
	for i := range all {
		all[i] = p.Worker().(W)
	}
	return all
}

func take(ctx context.Context, w subject.Worker) {
	if err := w.Take(ctx); err != nil {
		panic(err)
	}
}

func takeID(ctx context.Context, w subject.Keyed, id subject.ID) {
	if err := w.TakeID(ctx, id); err != nil {
		panic(err)
	}
}
