package tcp

import "github.com/vistone/poolkit/poolkit"

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
