package poolkit

import (
	"errors"
	"fmt"
	"time"

	"github.com/vistone/poolkit/sizing"
)

// NoTimeout leaves timeouts to the backend, as [Config.DialTimeout].
const NoTimeout time.Duration = -1

// The defaults of Config.
const (
	defaultMinCapacity   = 1
	defaultMaxCapacity   = 128
	defaultPlaces        = 128
	defaultMaxShards     = 64
	defaultMaxDialing    = 32
	defaultDialTimeout   = 10 * time.Second
	defaultCheckInterval = 30 * time.Second
	defaultCheckTimeout  = 5 * time.Second
)

// withDefaults returns the configuration with its zero values filled in, or what
// is wrong with it.
func (cfg Config[C]) withDefaults() (Config[C], error) {
	if cfg.Shut == nil {
		return cfg, errors.New("poolkit: Config.Shut is not set: the pool must know how to end a member")
	}
	if cfg.Dialer == nil && cfg.Acceptor == nil {
		return cfg, errors.New("poolkit: neither Config.Dialer nor Config.Acceptor is set: the pool has no source of members")
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"MinCapacity", cfg.MinCapacity},
		{"MaxCapacity", cfg.MaxCapacity},
		{"Places", cfg.Places},
		{"MaxShards", cfg.MaxShards},
		{"Spread", cfg.Spread},
		{"MaxDialing", cfg.MaxDialing},
		{"MaxUses", cfg.MaxUses},
	} {
		if n.value < 0 {
			return cfg, fmt.Errorf("poolkit: Config.%s is negative (%d)", n.name, n.value)
		}
	}
	if cfg.DialTimeout < 0 && cfg.DialTimeout != NoTimeout {
		return cfg, fmt.Errorf("poolkit: Config.DialTimeout is negative (%v)", cfg.DialTimeout)
	}
	if err := cfg.checkUpkeep(); err != nil {
		return cfg, err
	}
	if err := cfg.checkRoom(); err != nil {
		return cfg, err
	}
	if cfg.FirstID != nil {
		id := *cfg.FirstID // the caller may change it
		cfg.FirstID = &id
	}
	if cfg.MinCapacity == 0 && cfg.MaxCapacity == 0 {
		cfg.MinCapacity, cfg.MaxCapacity = defaultMinCapacity, defaultMaxCapacity
	}
	if cfg.Sizing == nil {
		cfg.Sizing = new(sizing.Ladder)
	}
	orDefault(&cfg.Places, defaultPlaces)
	orDefault(&cfg.MaxShards, defaultMaxShards)
	cfg.MinCapacity, cfg.MaxCapacity = cfg.bounds(cfg.MinCapacity, cfg.MaxCapacity)
	orDefault(&cfg.Spread, 1)
	orDefault(&cfg.MaxDialing, defaultMaxDialing)
	orDefault(&cfg.DialTimeout, defaultDialTimeout)
	if cfg.Check != nil {
		orDefault(&cfg.CheckInterval, defaultCheckInterval)
		orDefault(&cfg.CheckTimeout, defaultCheckTimeout)
	}
	return cfg, nil
}

// checkUpkeep says what is wrong with how members are to be renewed and examined.
func (cfg *Config[C]) checkUpkeep() error {
	for _, d := range []struct {
		name          string
		value         time.Duration
		needed, needs string
		there         bool
	}{
		{"MaxAge", cfg.MaxAge, "Dialer", "what a peer has opened is the peer's to renew", cfg.Dialer != nil},
		{"MaxIdle", cfg.MaxIdle, "Dialer", "what a peer has opened is the peer's to renew", cfg.Dialer != nil},
		{"CheckInterval", cfg.CheckInterval, "Check", "there is nothing to do at intervals", cfg.Check != nil},
		{"CheckTimeout", cfg.CheckTimeout, "Check", "there is nothing to bound", cfg.Check != nil},
	} {
		if d.value < 0 {
			return fmt.Errorf("poolkit: Config.%s is negative (%v)", d.name, d.value)
		}
		if d.value > 0 && !d.there {
			return fmt.Errorf("poolkit: Config.%s is set without Config.%s: %s", d.name, d.needed, d.needs)
		}
	}
	if cfg.SingleUse && cfg.MaxUses > 1 {
		return fmt.Errorf("poolkit: Config.MaxUses is %d with Config.SingleUse, where a member serves one lease", cfg.MaxUses)
	}
	return nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// checkRoom says whether the pool was told to keep more idle than it may have open.
func (cfg *Config[C]) checkRoom() error {
	most := max(cfg.MinCapacity, cfg.MaxCapacity)
	if cfg.Places == 0 || cfg.MaxShards == 0 || cfg.fits(most) {
		return nil
	}
	return fmt.Errorf("poolkit: Config.MaxCapacity is %d, but %d shards of %d places have room for %d: raise Places or MaxShards, or lower MaxCapacity",
		most, cfg.MaxShards, cfg.Places, cfg.Places*cfg.MaxShards)
}

// fits reports whether there is room for n members, Places and MaxShards being set.
func (cfg *Config[C]) fits(n int) bool { return n <= 0 || (n-1)/cfg.Places < cfg.MaxShards }

// bounds orders two bounds of a target, and keeps them to what there is room for.
func (cfg *Config[C]) bounds(a, b int) (low, high int) {
	low, high = max(min(a, b), 0), max(a, b, 0)
	if !cfg.fits(high) {
		high = cfg.Places * cfg.MaxShards // less than high: it does not overflow
	}
	return min(low, high), high
}
