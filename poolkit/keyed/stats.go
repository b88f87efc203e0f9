package keyed

import (
	"iter"

	"github.com/vistone/poolkit/poolkit"
)

// Stats is a Pool at one moment. All its numbers belong together.
type Stats struct {
	Keys int // keys that have a pool

	Budget  int // how many members may be open
	Open    int // how many are, over all keys: idle, on loan, on their way, or being shut
	Closing int // of these, members being shut
	Waiting int // members that callers wait for and the budget forbids

	Opened  uint64 // pools made since New
	Evicted uint64 // members shut unused: for other keys, or since their own was not used
}

// Stats returns the state of the Pool.
func (p *Pool[K, C]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.budget.Stats()
	return Stats{
		Keys:    p.order.len(),
		Budget:  b.Limit,
		Open:    b.Open,
		Closing: b.Closing,
		Waiting: b.Waiting,
		Opened:  p.opened,
		Evicted: b.Evicted,
	}
}

// StatsOf returns the state of the pool of one key. It reports false where it has none.
// To look is not to use.
func (p *Pool[K, C]) StatsOf(key K) (poolkit.Stats, bool) {
	p.mu.Lock()
	e := p.entries[key]
	known := e != nil && e.state == open
	p.mu.Unlock()
	if !known {
		return poolkit.Stats{}, false
	}
	return e.pool.Stats(), true
}

// All returns the keys that have a pool, with the state of each. Those come first that
// would be evicted last. The keys are those of one moment; their states are taken one by
// one. The loop may call any method.
func (p *Pool[K, C]) All() iter.Seq2[K, poolkit.Stats] {
	return func(yield func(K, poolkit.Stats) bool) {
		p.mu.Lock()
		all := make([]*entry[K, C], 0, p.order.len())
		for _, s := range []*segment[K, C]{&p.order.proven, &p.order.fresh} {
			for e := s.front; e != nil; e = e.next {
				all = append(all, e)
			}
		}
		p.mu.Unlock()
		for _, e := range all {
			if !yield(e.key, e.pool.Stats()) {
				return
			}
		}
	}
}
