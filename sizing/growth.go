package sizing

import "time"

// growth runs ahead of demand that breaks its record.
type growth struct {
	earlier, later int           // how many were held at two moments, a lead time apart or more
	noted          time.Duration // when that was the later
	target         int
	until          time.Duration
}

// With twice, for two lead times, one in seven more had to wait in a crowd where members
// are made in 20 ms; more than these gains little.
const (
	ahead    = 3 // times what the record rose in a lead time
	aheadFor = 4 // lead times
)

// step is told how many are needed now, and how many were held up to now.
func (g *growth) step(needed, held int, now, lead time.Duration) {
	if now-g.noted >= lead {
		g.earlier, g.later, g.noted = g.later, held, now
	}
	if needed > held {
		g.target = needed + min(ahead*(needed-g.earlier), needed)
		g.until = now + aheadFor*lead
	}
}

func (g *growth) wanted(now time.Duration) int {
	if now >= g.until {
		return 0
	}
	return g.target
}
