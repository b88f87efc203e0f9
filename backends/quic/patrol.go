package quic

import (
	"context"
	"time"
)

// serverVacancy is how long a server keeps a connection without streams, those that
// never asked for their ID not counted. It is twice as long as our clients keep one,
// so they are always the first to close it.
const serverVacancy = 2 * vacancy

// patrol looks at every connection once a second, and closes those that have moved to
// an address that is not allowed, and those that have carried no stream for long. It
// ends with ctx.
func (g *guard) patrol(ctx context.Context) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			g.inspect(now)
		case <-ctx.Done():
			return
		}
	}
}

func (g *guard) inspect(now time.Time) {
	g.mu.Lock()
	var vacant, others []*guest
	for v := range g.guests {
		if v.settled == 0 && now.Sub(v.vacant) >= serverVacancy {
			vacant = append(vacant, v)
		} else if len(g.allow) > 0 {
			others = append(others, v)
		}
	}
	g.mu.Unlock()
	for _, v := range vacant {
		_ = v.conn.CloseWithError(codeDone, "no stream for a minute") // always nil
	}
	for _, v := range others {
		if !v.welcome() {
			g.refusals.count(errNotAllowed)
			_ = v.conn.CloseWithError(codeNotAllowed, errNotAllowed.Error()) // always nil
		}
	}
}
