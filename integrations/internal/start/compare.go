// Package start measures how long the first answer takes, with and without a pool.
package start

import (
	"slices"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// Compare calls both functions in turn, each of which gets its first answer on a new
// connection, and reports the medians. The pool is full whenever it is used.
func Compare[C any](b *testing.B, pool *poolkit.Pool[C], without, with func() error) {
	b.Helper()
	var bare, pooled []time.Duration
	for b.Loop() {
		if err := pool.WaitReady(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
		pooled = append(pooled, timed(b, with))
		bare = append(bare, timed(b, without))
	}
	b.ReportMetric(0, "ns/op") // of both together: it says nothing
	b.ReportMetric(float64(median(bare).Microseconds()), "µs-without")
	b.ReportMetric(float64(median(pooled).Microseconds()), "µs-with")
	b.ReportMetric(float64(median(pooled))/float64(median(bare)), "with/without")
}

func timed(b *testing.B, f func() error) time.Duration {
	b.Helper()
	begun := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begun)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
