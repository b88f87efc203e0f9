package quic

import (
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// stallAfter and four round trips are how long exchanges may wait on a connection,
// without any of them ending, while packets arrive. Where a fifth of the packets was
// lost, one in four thousand took as long over 50 ms.
const stallAfter = 1500 * time.Millisecond

// stall notices that a connection carries nothing although the peer is there: streams
// that nobody reads have used up its flow control, at either end.
type stall struct {
	strikes atomic.Uint64 // how often

	mu     sync.Mutex
	ended  uint64    // guarded by mu, as is the rest: exchanges, at the latest beat
	heard  uint64    // packets received, at the latest beat
	since  time.Time // the latest beat at which one had ended or none was under way, or strike
	struck bool      // no exchange has ended since the latest strike
}

// strike is told, at each beat, how many exchanges have ended, whether others are under
// way, and how the connection stands. It reports whether those have waited for too long,
// and whether it is not the first time since one ended.
func (w *stall) strike(ended uint64, pending bool, s quicgo.ConnectionStats) (late, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if ended != w.ended {
		w.struck = false
	}
	if ended != w.ended || !pending {
		w.since = now
	}
	heard := s.PacketsReceived != w.heard
	w.ended, w.heard = ended, s.PacketsReceived
	if ended == 0 || !heard || now.Sub(w.since) < stallAfter+4*s.SmoothedRTT {
		return false, false
	}
	again = w.struck
	w.struck, w.since = true, now
	w.strikes.Add(1)
	return true, again
}

// observe looks, at each beat, whether the connection has stalled. Exchanges that wait
// for too long are made anew, since it may be that the peer has forgotten one. When the
// new ones wait for as long, it is the connection.
func (l *link) observe(s quicgo.ConnectionStats) {
	pending := l.exchanges.pending()
	if pending {
		_ = l.SendDatagram(probe[:]) // a peer that is there is heard; fails only once it has ended
	}
	late, again := l.stall.strike(l.exchanges.ended.Load(), pending, s)
	if again {
		l.abandon()
	}
	if late {
		l.exchanges.ringNow()
	}
}

// abandon takes a connection out of use that carries nothing. Its idle streams leave
// the pool, and what would have been made on it is made on a new one. Streams in use
// stay: when somebody reads, they go on.
func (l *link) abandon() {
	l.leave()
	l.roster.dismiss()
}
