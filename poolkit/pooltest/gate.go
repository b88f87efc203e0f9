package pooltest

import (
	"context"
	"sync"
)

// A Gate holds back those who pass it while it is closed. The zero Gate is open. Its
// methods may be called by any goroutine at any time.
type Gate struct {
	mu      sync.Mutex
	opened  chan struct{} // guarded by mu, as is the rest; nil while the gate is open; closed by Open
	waiting int
	changed chan struct{} // nil unless somebody awaits; closed when waiting has grown
}

// Close closes the gate. Closing a closed one does nothing.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

// Open opens the gate and lets everybody through who waits. Opening an open one does
// nothing.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// Pass returns nil when the gate is open, and waits until it is. If ctx ends first, it
// returns the cause.
func (g *Gate) Pass(ctx context.Context) error {
	g.mu.Lock()
	opened := g.opened
	if opened == nil {
		g.mu.Unlock()
		return nil
	}
	g.waiting++
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.waiting--
		g.mu.Unlock()
	}()
	select {
	case <-opened:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Await waits until at least n callers of Pass wait at the gate. If ctx ends first, it
// returns the cause.
func (g *Gate) Await(ctx context.Context, n int) error {
	for {
		g.mu.Lock()
		if g.waiting >= n {
			g.mu.Unlock()
			return nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
