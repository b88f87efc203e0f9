package subject

import (
	"context"

	pool "github.com/jolestar/go-commons-pool/v2"
)

// Commons is github.com/jolestar/go-commons-pool/v2.
var Commons = Kind{"go-commons-pool", openCommons}

type commonsPool struct{ *pool.ObjectPool }

func openCommons(members int) Pool {
	cfg := pool.NewDefaultPoolConfig()
	cfg.MaxTotal, cfg.MaxIdle = members, members
	p := pool.NewObjectPool(
		context.Background(),
		pool.NewPooledObjectFactorySimple(func(context.Context) (any, error) { return new(member), nil }),
		cfg)
	for range members {
		must(p.AddObject(context.Background()))
	}
	return commonsPool{p}
}

func (p commonsPool) Worker() Worker { return &commonsWorker{pool: p.ObjectPool} }
func (p commonsPool) Close()         { p.ObjectPool.Close(context.Background()) }

type commonsWorker struct {
	pool  *pool.ObjectPool
	taken any
}

func (w *commonsWorker) Take(ctx context.Context) (err error) {
	w.taken, err = w.pool.BorrowObject(ctx)
	return err
}

func (w *commonsWorker) Give() { must(w.pool.ReturnObject(context.Background(), w.taken)) }
