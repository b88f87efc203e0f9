package subject

import (
	"context"
	"encoding/binary"
	"sync/atomic"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// Poolkit is the subject of all this: the complete pool, with its statistics.
var Poolkit = Kind{"poolkit", openPoolkit}

type kit struct{ *poolkit.Pool[*member] }

func openPoolkit(members int) Pool {
	var made atomic.Int32
	p, err := poolkit.New(poolkit.Config[*member]{
		Dialer: poolkit.DialerFunc[*member](func(context.Context, int) (poolkit.ID, *member, error) {
			return kitID(Name(int(made.Add(1) - 1))), new(member), nil
		}),
		Shut:        func(*member) error { return nil },
		MinCapacity: members, MaxCapacity: members, Sizing: sizing.Fixed(members),
		Places: members, MaxShards: 1,
	})
	must(err)
	must(p.WaitReady(context.Background(), 0))
	return kit{p}
}

func kitID(n ID) (id poolkit.ID) {
	binary.BigEndian.PutUint32(id[:], uint32(n))
	return id
}

func (p kit) Worker() Worker { return &kitWorker{pool: p.Pool} }
func (p kit) Close()         { must(p.Pool.Close()) }

type kitWorker struct {
	pool  *poolkit.Pool[*member]
	lease poolkit.Lease[*member]
}

func (w *kitWorker) Take(ctx context.Context) (err error) {
	w.lease, err = w.pool.Acquire(ctx)
	return err
}

func (w *kitWorker) TakeID(ctx context.Context, id ID) (err error) {
	w.lease, err = w.pool.AcquireID(ctx, kitID(id))
	return err
}

func (w *kitWorker) Give()  { w.lease.Release() }
func (w *kitWorker) Renew() { w.lease.Discard() }

func must(err error) {
	if err != nil {
		panic(err)
	}
}
