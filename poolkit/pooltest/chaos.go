package pooltest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Slow returns a dialer that waits before each dial of d. If the context ends
// meanwhile, it fails with the cause.
func Slow[C any](d poolkit.Dialer[C], delay time.Duration) poolkit.Dialer[C] {
	return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (id poolkit.ID, none C, err error) {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			return d.Dial(ctx, shard)
		case <-ctx.Done():
			return id, none, context.Cause(ctx)
		}
	})
}

// Failing returns a dialer that always fails with err. Marked by [poolkit.Permanent],
// the pool tells it to everybody who waits.
func Failing[C any](err error) poolkit.Dialer[C] {
	return poolkit.DialerFunc[C](func(context.Context, int) (id poolkit.ID, none C, _ error) {
		return id, none, err
	})
}

// Flaky returns a dialer that fails with err each n-th time, and otherwise dials with d.
// With n = 1 it always fails.
func Flaky[C any](d poolkit.Dialer[C], n int, err error) poolkit.Dialer[C] {
	return every(d, n, Failing[C](err))
}

// Panicking returns a dialer that panics with value each n-th time, and otherwise dials
// with d. With n = 1 it always panics.
func Panicking[C any](d poolkit.Dialer[C], n int, value any) poolkit.Dialer[C] {
	return every(d, n, poolkit.DialerFunc[C](func(context.Context, int) (poolkit.ID, C, error) {
		panic(value)
	}))
}

// every returns a dialer that uses other each n-th time, and otherwise d.
func every[C any](d poolkit.Dialer[C], n int, other poolkit.Dialer[C]) poolkit.Dialer[C] {
	var dials atomic.Int64
	return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (poolkit.ID, C, error) {
		if dials.Add(1)%int64(n) == 0 {
			return other.Dial(ctx, shard)
		}
		return d.Dial(ctx, shard)
	})
}

// Gated returns a dialer that passes a gate before each dial of d. If the context ends
// meanwhile, it fails with the cause.
func Gated[C any](d poolkit.Dialer[C], g *Gate) poolkit.Dialer[C] {
	return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (id poolkit.ID, none C, err error) {
		if err := g.Pass(ctx); err != nil {
			return id, none, err
		}
		return d.Dial(ctx, shard)
	})
}

// A Meter counts the dials of [Metered] dialers. The zero Meter is ready to use. Its
// methods may be called by any goroutine at any time.
type Meter struct {
	dials, underWay, most atomic.Int64
}

// Metered returns a dialer that dials with d and is counted by m.
func Metered[C any](d poolkit.Dialer[C], m *Meter) poolkit.Dialer[C] {
	return poolkit.DialerFunc[C](func(ctx context.Context, shard int) (poolkit.ID, C, error) {
		m.begin()
		defer m.underWay.Add(-1)
		return d.Dial(ctx, shard)
	})
}

func (m *Meter) begin() {
	m.dials.Add(1)
	now := m.underWay.Add(1)
	for most := m.most.Load(); now > most && !m.most.CompareAndSwap(most, now); {
		most = m.most.Load()
	}
}

// Dials returns how many dials have begun.
func (m *Meter) Dials() int { return int(m.dials.Load()) }

// UnderWay returns how many dials have begun and not ended.
func (m *Meter) UnderWay() int { return int(m.underWay.Load()) }

// Most returns how many dials were under way at once, at the most.
func (m *Meter) Most() int { return int(m.most.Load()) }
