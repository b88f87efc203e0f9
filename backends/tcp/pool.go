package tcp

import (
	"fmt"

	"github.com/vistone/poolkit/poolkit"
)

// connections is what all pools of this package have in common.
func connections(hooks poolkit.Hooks) poolkit.Config[*Conn] {
	return poolkit.Config[*Conn]{
		Shut:    (*Conn).end,
		Watch:   watch,
		Healthy: healthy,
		Lent:    (*Conn).lent,
		Hooks:   hooks,
	}
}

// run returns a running pool, and sets the lookout of its connections before.
func run(cfg poolkit.Config[*Conn], l **lookout) (*poolkit.Pool[*Conn], error) {
	*l = hire()
	closed := cfg.Closed
	cfg.Closed = func() error {
		defer dismiss()
		if closed == nil {
			return nil
		}
		return closed()
	}
	p, err := poolkit.New(cfg)
	if err != nil {
		dismiss()
		return nil, fmt.Errorf("tcp: %w", err)
	}
	return p, nil
}

// meetings is what the rendezvous pools of both ends have in common. All connections are
// on one shard: none depends on another.
func meetings(hooks poolkit.Hooks) poolkit.Config[*Conn] {
	cfg := connections(hooks)
	cfg.Watch = attend
	cfg.Healthy = fit
	cfg.SingleUse = true
	cfg.DialTimeout = exchangeTimeout
	cfg.MaxShards = 1
	return cfg
}
