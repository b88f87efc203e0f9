package quic

import (
	"context"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// A datagram says something by its first byte. A probe says nothing, and whatever else
// comes is ignored: so peers that know more can be told more later.
const (
	noticeProbe = 0
	noticeAway  = 1 // take no more streams of this connection: it is about to end
)

// notices is how often something is said, since datagrams may be lost.
const notices = 3

// sayAway tells the peer that the connection is about to end.
func (c *connection) sayAway() {
	_ = c.SendDatagram([]byte{noticeAway}) // fails only where there are none, or no more
}

// tellsAway reports whether the peer can be told.
func (c *connection) tellsAway() bool {
	state := c.ConnectionState()
	return state.SupportsDatagrams.Local && state.SupportsDatagrams.Remote && c.Context().Err() == nil
}

// heed calls away whenever the peer says that the connection is about to end. It
// returns when it has ended.
func (c *connection) heed(away func()) {
	for {
		b, err := c.ReceiveDatagram(c.Context())
		if err != nil {
			return
		}
		if len(b) > 0 && b[0] == noticeAway {
			away()
		}
	}
}

// How long the end of a pool waits for its peers.
const (
	// partingTime is how long a server that leaves lets its clients go elsewhere first:
	// a handshake timeout, and what it takes to replace a connection.
	partingTime = handshakeTimeout + fadeSteps*fadeStep + notices*fadeStep + fadeHold

	noticeEvery = 100 * time.Millisecond

	// quietTime is the least for which a connection has to send nothing until all it had
	// to send has arrived: packets that are lost are sent again sooner. lingerMost bounds
	// the wait for that.
	quietTime  = 250 * time.Millisecond
	lingerMost = 5 * time.Second
)

// every calls f now and then until it reports true, the time is over, or ctx is.
func every(ctx context.Context, pause, most time.Duration, f func() bool) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for !f() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// linger waits until what was written on connections has arrived, as far as can be
// told: until they have sent nothing for a while.
func linger(ctx context.Context, conns []*connection) {
	pause := quietTime
	sent := make([]uint64, len(conns))
	for _, c := range conns {
		pause = max(pause, 3*probeTimeout(c.ConnectionStats()))
	}
	first := true
	every(ctx, pause, lingerMost, func() bool {
		quiet := !first
		first = false
		for i, c := range conns {
			if n := c.ConnectionStats().BytesSent; n != sent[i] && c.Context().Err() == nil {
				quiet, sent[i] = false, n
			}
		}
		return quiet || len(conns) == 0
	})
}

// probeTimeout is the PTO of RFC 9002, section 6.2.1.
func probeTimeout(s quicgo.ConnectionStats) time.Duration {
	const maxAckDelay = 25 * time.Millisecond // the default, RFC 9000, section 18.2
	return s.SmoothedRTT + 4*s.MeanDeviation + maxAckDelay
}
