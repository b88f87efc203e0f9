package tcp

import (
	"errors"

	"github.com/vistone/poolkit/poolkit"
)

// DialPeer returns a running pool of connections to a pool of [Listen], or to several of
// the same. It is like [Dial], but that both ends know each connection by the same ID, and
// that bytes may arrive while a connection is idle: the other end has taken it first. Both
// ends must use TLS, or neither.
//
// Acquire hands out the youngest connection, while a pool of Listen hands out the oldest,
// so that two ends that both take any do not take the same. With several servers it hands
// out the oldest, so that all are used. Leases are of single use: Release, Discard and the
// connection's own Close all end it.
//
// Prepare and Probe must be nil, since the other end would not know of what they send: what
// the two ends say to each other is theirs to agree on, once they have acquired a
// connection. MaxAge, MaxIdle and MaxUses must be zero, since the other end may have taken
// what this one would replace.
func DialPeer(cfg DialConfig) (*poolkit.Pool[*Conn], error) {
	if cfg.Prepare != nil || cfg.Probe != nil {
		return nil, errors.New("tcp: DialPeer: DialConfig.Prepare or Probe is set, but the other end would not know of what it sends")
	}
	if cfg.MaxAge != 0 || cfg.MaxIdle != 0 || cfg.MaxUses != 0 {
		return nil, errors.New("tcp: DialPeer: DialConfig.MaxAge, MaxIdle or MaxUses is set, but the other end may have taken what would be replaced")
	}
	d, servers, err := cfg.dialer()
	if err != nil {
		return nil, err
	}
	d.meets = true
	core := cfg.core(d)
	meetings(&core)
	core.NewestFirst = servers == 1
	return start(core)
}
