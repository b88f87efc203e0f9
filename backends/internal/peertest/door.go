package peertest

import (
	"context"
	"sync/atomic"

	"github.com/vistone/poolkit/poolkit"
)

// Door is an acceptor that refuses what is offered while it is shut.
type Door[C any] struct {
	poolkit.Acceptor[C]

	shut atomic.Bool
}

// Shut makes the door refuse what comes from now on.
func (d *Door[C]) Shut() { d.shut.Store(true) }

// Open ends that.
func (d *Door[C]) Open() { d.shut.Store(false) }

// Accept returns the next offer that is not refused.
func (d *Door[C]) Accept(ctx context.Context) (poolkit.Offer[C], error) {
	for {
		o, err := d.Acceptor.Accept(ctx)
		if err != nil || !d.shut.Load() {
			return o, err
		}
		o.Refuse()
	}
}
