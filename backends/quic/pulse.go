package quic

import (
	"sync"
	"sync/atomic"
	"time"
)

// How silence is noticed. A peer that is there answers a probe within a round trip:
// whoever is silent for four seconds is probed, again a few times in quick succession,
// since a packet may be lost, is suspected when no answer has come for a second, and
// given up after eleven in all. QUIC's own means, the idle timeout and keep-alive
// pings, together take forty.
const (
	beat         = time.Second
	probeAfter   = 4 * beat
	probeAgain   = beat / 4
	suspectAfter = 5 * beat
	giveUpAfter  = 11 * beat
)

// probeSize makes a probe a packet large enough to be answered by a stateless reset
// if the peer has been restarted: quic-go answers none of up to 42 bytes.
const probeSize = 32

var probe = [probeSize]byte{noticeProbe}

// pulse watches a connection for silence, with a timer and no goroutine. Peers that
// take no datagrams cannot be probed: they are left to QUIC's own means.
type pulse struct {
	suspected atomic.Bool // nothing comes back

	mu      sync.Mutex
	timer   *time.Timer // guarded by mu, as is the rest
	stopped bool
	heard   uint64    // packets received, at the latest beat
	heardAt time.Time // the beat at which it last had grown
	due     time.Time // the next beat
}

// start begins the watch, once the handshake is complete.
func (p *pulse) start(c *connection) {
	state := c.ConnectionState()
	if !state.SupportsDatagrams.Local || !state.SupportsDatagrams.Remote {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.heardAt = time.Now()
	p.due = p.heardAt.Add(beat)
	p.timer = time.AfterFunc(beat, func() { p.beat(c) })
}

func (p *pulse) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// probe makes a peer that is there answer.
func (c *connection) probe() {
	_ = c.SendDatagram(probe[:]) // fails only where there are none, or no more
}

// beat runs on the timer's goroutine.
func (p *pulse) beat(c *connection) {
	stats := c.ConnectionStats()
	if c.beaten != nil {
		c.beaten(stats) // before the next beat is due, so that no two are at it at once
	}
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	now := time.Now()
	if late := now.Sub(p.due); late > beat {
		p.heardAt = p.heardAt.Add(late) // this process was stopped, and has yet to read what came
	}
	if stats.PacketsReceived != p.heard {
		p.heard, p.heardAt = stats.PacketsReceived, now
	}
	silence := now.Sub(p.heardAt)
	next := beat
	if silence >= probeAfter && silence < suspectAfter {
		next = probeAgain
	}
	p.timer.Reset(next)
	p.due = now.Add(next)
	p.mu.Unlock()

	if silence >= probeAfter {
		c.probe()
	}
	// A probe is due back after a round trip, and lost ones are noticed after as long
	// again as the path varies (the probe timeout of RFC 9002, section 6.2).
	grace := stats.SmoothedRTT + 4*stats.MeanDeviation
	switch {
	case silence >= giveUpAfter:
		_ = c.CloseWithError(codeSilent, "silent peer") // always nil
	case silence == 0 && p.suspected.Load():
		c.trust()
	case silence >= suspectAfter && silence-probeAfter > grace && !p.suspected.Load():
		c.suspect()
	}
}
