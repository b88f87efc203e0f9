package tcp

import (
	"errors"
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

// meetings makes cfg that of a rendezvous pool. All connections are on one shard: none
// depends on another.
func meetings(cfg *poolkit.Config[*Conn]) {
	cfg.Watch = attend
	cfg.Healthy = fit
	cfg.Dead = func(c *Conn) bool { return c.socket != nil && !c.socket.open() }
	cfg.SingleUse = true
	cfg.MaxShards = 1
}

// start returns a running pool. Where that fails it has called cfg.Closed.
func start(cfg poolkit.Config[*Conn]) (*poolkit.Pool[*Conn], error) {
	p, err := poolkit.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("tcp: %w", errors.Join(err, cfg.Closed()))
	}
	return p, nil
}
