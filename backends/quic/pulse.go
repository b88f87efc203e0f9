package quic

import (
	"sync"
	"sync/atomic"
	"time"
)

// How silence is noticed, counted in beats. A peer that is there answers a probe
// within a round trip: whoever is silent for four seconds is probed at every beat
// from then on, is suspected when no answer comes for a second more, and given up
// after eleven in all. QUIC's own means, the idle timeout and keep-alive pings,
// together take forty.
const (
	beat        = time.Second
	probeAfter  = 4
	giveUpAfter = 11
)

// probeSize makes a probe a packet large enough to be answered by a stateless reset
// if the peer has been restarted: quic-go answers none of up to 42 bytes.
const probeSize = 32

// pulse watches a connection for silence, with a timer and no goroutine. Peers that
// take no datagrams cannot be probed: they are left to QUIC's own means.
type pulse struct {
	suspected atomic.Bool // nothing comes back

	mu      sync.Mutex
	timer   *time.Timer // guarded by mu, as is the rest
	stopped bool
	heard   uint64 // packets received, at the latest beat
	silence int    // beats since it last grew
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

// beat runs on the timer's goroutine.
func (p *pulse) beat(c *connection) {
	stats := c.ConnectionStats()
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	p.timer.Reset(beat)
	p.silence++
	if stats.PacketsReceived != p.heard {
		p.silence = 0
	}
	p.heard = stats.PacketsReceived
	silence := p.silence
	p.mu.Unlock()

	if silence >= probeAfter {
		_ = c.SendDatagram(make([]byte, probeSize)) // fails only once the connection has ended
	}
	// A probe is due back after a round trip, and lost ones are noticed after as long
	// again as the path varies (the probe timeout of RFC 9002, section 6.2).
	grace := stats.SmoothedRTT + 4*stats.MeanDeviation
	switch {
	case silence >= giveUpAfter:
		_ = c.CloseWithError(codeSilent, "silent peer") // always nil
	case silence == 0 && p.suspected.Load():
		c.trust()
	case silence > probeAfter && time.Duration(silence-probeAfter)*beat > grace && !p.suspected.Load():
		c.suspect()
	}
}
