// Package ready waits for pools to fill.
package ready

import (
	"context"
	"fmt"
	"time"

	"github.com/vistone/poolkit/backends/quic"
)

// Wait waits until at least n streams stand ready in every pool. A pool of the
// compatibility API has to be asked time and again; a native one waits by itself, see
// examples/native.
func Wait(ctx context.Context, n int, pools ...*quic.Pool) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for _, pool := range pools {
		for pool.Active() < n {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("wait for %d streams, there are %d: %w", n, pool.Active(), context.Cause(ctx))
			}
		}
	}
	return nil
}
