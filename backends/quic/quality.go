package quic

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// A connection is poor beside another that takes less than half the time, or loses
// less than a quarter. Small differences do not count: 20 ms are noise on most
// paths, and one packet lost in fifty slows down nobody much.
const (
	slower      = 2
	slowerAtAll = 20 * time.Millisecond
	lossier     = 4
	lossyAtAll  = 0.02
)

// The share of lost packets is that of the last seconds: at each beat the earlier
// ones count a tenth less. Fewer than enoughPackets prove nothing.
const (
	decay         = 0.9
	enoughPackets = 50
)

// quality is how well a connection carries. judge writes it, at each beat.
type quality struct {
	rtt  atomic.Int64  // smoothed round trip, in nanoseconds; 0 before the first beat
	loss atomic.Uint64 // share of the packets sent, as the bits of a float64

	mu                 sync.Mutex // beats are on goroutines of their own
	lastSent, lastLost uint64     // guarded by mu, as is the rest: of the connection, at the latest beat
	sent, lost         float64
}

func (q *quality) update(s quicgo.ConnectionStats) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent = decay*q.sent + float64(s.PacketsSent-q.lastSent)
	q.lost = decay*q.lost + float64(s.PacketsLost-q.lastLost)
	q.lastSent, q.lastLost = s.PacketsSent, s.PacketsLost
	q.rtt.Store(int64(s.SmoothedRTT))
	loss := 0.0
	if q.sent >= enoughPackets {
		loss = q.lost / q.sent
	}
	q.loss.Store(math.Float64bits(loss))
}

// worse reports whether q is poor beside other.
func (q *quality) worse(other *quality) bool {
	theirs := time.Duration(other.rtt.Load())
	if theirs == 0 {
		return false
	}
	if time.Duration(q.rtt.Load()) > slower*theirs+slowerAtAll {
		return true
	}
	loss := math.Float64frombits(q.loss.Load())
	return loss > lossyAtAll && loss > lossier*math.Float64frombits(other.loss.Load())
}

// judge compares a connection with the pool's others. A poor one gets no new streams,
// unless there can be no more connections.
func (l *link) judge(s quicgo.ConnectionStats) {
	l.quality.update(s)
	worse, open := false, 0
	for i := range l.carrier.dialer.carriers {
		other := l.carrier.dialer.carriers[i].link.Load()
		if other.alive() && other.usable() {
			open++
			worse = worse || other != l && l.quality.worse(&other.quality)
		}
	}
	l.poor.Store(worse && open < maxShards)
}
