package sim

import (
	"cmp"
	"time"
)

// World is where pools are run. The zero values of its fields are the defaults.
type World struct {
	// RTT is the round trip time: how long a member takes to be made, and a tenth of it
	// more on average. One in a hundred takes two more round trips, for a lost packet.
	RTT time.Duration

	// Even, if set, makes every creation take one round trip exactly, and none fail by
	// chance, as on a simulated network.
	Even bool

	// Failing is the share of creations that fail, after the time that they take.
	Failing float64

	// Outage, if it ends after it begins, is when every creation fails that ends in it.
	OutageBegins, OutageEnds time.Duration

	// MinCapacity and MaxCapacity bound the target; default 1 and 1024.
	MinCapacity, MaxCapacity int

	// Seed is of what the world does by chance. Demand has its own.
	Seed uint64

	// Every, if set, is how far apart the samples of [Result.Trace] are.
	Every time.Duration
}

// What holds in every world.
const (
	// patience is how long callers wait for a member.
	patience = 10 * time.Second

	// lifetime is how long an unused member lives, give or take a tenth.
	lifetime = 300 * time.Second
)

func (w World) withDefaults() World {
	w.RTT = cmp.Or(w.RTT, 100*time.Millisecond)
	w.MinCapacity = cmp.Or(w.MinCapacity, 1)
	w.MaxCapacity = cmp.Or(w.MaxCapacity, 1024)
	return w
}

// Lead is how long a member takes to be made on average.
func (w World) Lead() time.Duration {
	w = w.withDefaults()
	if w.Even {
		return w.RTT
	}
	return w.RTT + w.RTT/10 + handling + w.lossCosts()/100
}

// handling is what both ends do for a new member.
const handling = 50 * time.Microsecond

func (w *World) lossCosts() time.Duration { return max(2*w.RTT, 10*time.Millisecond) }

// creation draws how long it takes to make a member, and whether it fails.
func (w *World) creation(r *random) (takes time.Duration, fails bool) {
	if w.Even {
		return w.RTT, false
	}
	takes = w.RTT + time.Duration(0.1*r.exp()*float64(w.RTT)) + handling
	if r.uniform() < 0.01 {
		takes += w.lossCosts()
	}
	return takes, r.uniform() < w.Failing
}

// outage reports whether a creation fails that ends now.
func (w *World) outage(now time.Duration) bool {
	return w.OutageBegins <= now && now < w.OutageEnds
}

// life draws how long a member lives unused.
func life(r *random) time.Duration {
	return time.Duration(float64(lifetime) * (0.9 + 0.2*r.uniform()))
}
