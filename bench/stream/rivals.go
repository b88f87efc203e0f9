// Package stream compares pooled streams of QUIC with those of bare quic-go. Both have the
// same settings, and both know a stream at either end only when they have introduced it:
// the client writes one byte, and the server answers with four.
package stream

import (
	"io"
	"time"

	"github.com/vistone/poolkit/bench/report"
)

// All returns everything that is compared.
func All() []report.Experiment {
	return []report.Experiment{pairs, fill, burst, burstAfar, throughput, memory}
}

// rival is a way to have streams.
type rival struct {
	name string
	open func(network, shape) ends
}

// shape is how much there is to be.
type shape struct {
	connections int
	ready       int  // streams, at all times
	held        bool // by the server, until it is closed; otherwise it ends those that nobody asks it for
}

// ends are a client and a server.
type ends interface {
	// fill waits until the streams are ready at the client.
	fill()

	// get returns the client's end of a stream.
	get() end

	// both returns both ends of a stream.
	both() (client, server end)

	// cycle uses up a stream at both ends.
	cycle()

	close()
}

// end is one end of a stream.
type end interface {
	io.ReadWriter
	Close() error // both halves
}

// places is how many streams a connection has.
const places = 128

var (
	withoutPool = rival{"bare quic-go", openBare}
	withPool    = paced(time.Second)
)

// paced is a pool whose sizing policy takes a step each interval.
func paced(interval time.Duration) rival {
	return rival{"poolkit", func(n network, s shape) ends { return openPools(n, s, interval) }}
}
