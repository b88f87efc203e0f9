package subject

import (
	"context"

	"github.com/jackc/puddle/v2"
)

// Puddle is github.com/jackc/puddle/v2, the pool under pgx, which others are measured
// against.
var Puddle = Kind{"puddle", openPuddle}

type puddlePool struct{ *puddle.Pool[*member] }

func openPuddle(members int) Pool {
	p, err := puddle.NewPool(&puddle.Config[*member]{
		Constructor: func(context.Context) (*member, error) { return new(member), nil },
		Destructor:  func(*member) {},
		MaxSize:     int32(members),
	})
	must(err)
	for range members {
		must(p.CreateResource(context.Background()))
	}
	return puddlePool{p}
}

func (p puddlePool) Worker() Worker { return &puddleWorker{pool: p.Pool} }

type puddleWorker struct {
	pool  *puddle.Pool[*member]
	taken *puddle.Resource[*member]
}

func (w *puddleWorker) Take(ctx context.Context) (err error) {
	w.taken, err = w.pool.Acquire(ctx)
	return err
}

func (w *puddleWorker) Give() { w.taken.Release() }
