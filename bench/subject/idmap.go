package subject

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// IDMap is a sync.Map of members and a channel of their IDs, the usual pool of things
// that have IDs. Whoever takes by ID draws a token too, so that there is one for each
// idle member; it is likely to be another's. So this is right only as long as nobody takes
// any while others take by ID, and nobody here does. Who finds no member looks again
// after 50 ms.
var IDMap = Kind{"sync.Map and channel", openIDMap}

const poll = 50 * time.Millisecond

type idMap struct {
	members sync.Map // of *member by ID
	ids     chan ID
	made    atomic.Int32
}

func openIDMap(members int) Pool {
	p := &idMap{ids: make(chan ID, members)}
	for range members {
		p.make()
	}
	return p
}

func (p *idMap) make() { p.put(Name(int(p.made.Add(1)-1)), new(member)) }

func (p *idMap) put(id ID, m *member) {
	p.members.Store(id, m)
	p.ids <- id
}

func (p *idMap) Worker() Worker { return &idMapWorker{pool: p} }
func (*idMap) Close()           {}

type idMapWorker struct {
	pool  *idMap
	id    ID
	taken *member
}

func (w *idMapWorker) Take(ctx context.Context) error {
	select {
	case id := <-w.pool.ids:
		w.take(id)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *idMapWorker) TakeID(ctx context.Context, id ID) error {
	for !w.take(id) {
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	<-w.pool.ids
	return nil
}

func (w *idMapWorker) take(id ID) bool {
	m, ok := w.pool.members.LoadAndDelete(id)
	if ok {
		w.id, w.taken = id, m.(*member)
	}
	return ok
}

func (w *idMapWorker) Give()  { w.pool.put(w.id, w.taken) }
func (w *idMapWorker) Renew() { w.pool.make() }
