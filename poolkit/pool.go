package poolkit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// A Pool keeps members ready. Its methods may be called by any goroutine at any
// time; [New] starts it and [Pool.Close] or [Pool.Shutdown] ends it.
type Pool[C any] struct {
	cfg    Config[C]                    // set by New, never written again
	ctx    context.Context              // parent of every dial and accept; ends when the pool drains
	cancel context.CancelFunc           //
	spare  sync.Pool                    // of *waiter[C]
	vain   atomic.Pointer[AcquireError] // of those who gave up last; stored under mu
	plain  bool                         // no callback runs when a member is lent or comes back, and idle ones are not sorted

	// work counts the goroutines of the pool. It is added to only under mu, and only
	// while the pool is not draining or something is open: Close waits for it after
	// empty, when nobody adds any more.
	work sync.WaitGroup

	kick  chan struct{} // wakes keep; capacity 1 is enough, since keep looks at everything; never closed
	empty chan struct{} // closed under mu, when the pool drains and nothing is open any more
	done  chan struct{} // closed by the first Close when it has finished

	closeErr error // set before done is closed

	lingering *lingering // guarded by mu; set by the first Shutdown that lingers

	mu     sync.Mutex
	ledger ledger[C] // guarded by mu, as is the rest
	asleep bool      // keep has settled: the next event kicks it
	alert  bool      // the policy wants to hear of the next take: that kicks keep
	shrunk bool      // Resize has been called: the next step trims
	closed bool      // Close has been called
	pace   time.Duration
	reason sizing.Reason // why the target is what it is
}

// New returns a running pool. It begins at once to dial or accept; [Pool.WaitReady]
// waits until members have arrived.
func New[C any](cfg Config[C]) (*Pool[C], error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool[C]{
		cfg:    cfg,
		plain:  cfg.Watch == nil && cfg.Healthy == nil && cfg.Lent == nil && cfg.Sequence == nil && cfg.Dead == nil,
		kick:   make(chan struct{}, 1),
		empty:  make(chan struct{}),
		done:   make(chan struct{}),
		ledger: newLedger(&cfg, time.Now()),
	}
	p.ledger.share = newShare(cfg.Budget, p.kick)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	k := newKeeper(p)
	if err := k.start(); err != nil {
		p.cancel()
		return nil, fmt.Errorf("poolkit: %w", err)
	}
	p.work.Go(k.run)
	if cfg.Acceptor != nil {
		p.work.Go(p.accept)
	}
	return p, nil
}

// Config returns the configuration of the pool, with the defaults filled in. Its bounds
// are those that New was given: Resize does not change it.
func (p *Pool[C]) Config() Config[C] {
	cfg := p.cfg
	if cfg.FirstID != nil {
		id := *cfg.FirstID // the caller may change it
		cfg.FirstID = &id
	}
	return cfg
}

// order issues tickets, under mu. The caller unlocks and then calls dialAll.
func (p *Pool[C]) order() []ticket {
	tickets := p.ledger.order()
	if len(tickets) > 0 { // when Close waits, adding even nothing is too late
		p.work.Add(len(tickets))
	}
	return tickets
}

// disturb ends the sleep of keep, under mu.
func (p *Pool[C]) disturb() {
	if p.asleep {
		p.asleep = false
		p.wake()
	}
}

// wake makes keep look at the pool.
func (p *Pool[C]) wake() {
	select {
	case p.kick <- struct{}{}:
	default: // it is about to look anyway
	}
}

// tell sends waiters the tokens for answers that have been written.
func tell[C any](ws []*waiter[C]) {
	for _, w := range ws {
		w.ready <- struct{}{}
	}
}
