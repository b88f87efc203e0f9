package quic

import "time"

// bucket is a token bucket, kept as the time at which it will be full again: the
// generic cell rate algorithm of ITU-T I.371. The zero bucket is full. It says
// nothing about a time earlier than one it has been asked about.
type bucket struct{ full time.Time }

// rate is how fast buckets fill and how many tokens they hold, both as time: that of
// one token, and that of a whole bucket.
type rate struct{ token, whole time.Duration }

// longest bounds the time in which a bucket fills, so that the arithmetic of times
// that users have chosen stays exact.
const longest = 24 * time.Hour

// perSecond is a rate of so many tokens a second, and buckets that hold so many at
// once, or as many as come in a day. Both must be positive.
func perSecond(tokens, held int) rate {
	token := time.Second / time.Duration(tokens) // zero, which is no limit, for more than a billion
	if token == 0 {
		return rate{}
	}
	return rate{token, token * min(time.Duration(held), longest/token)}
}

// take takes a token. It reports false, and takes none, when there is none.
func (b *bucket) take(now time.Time, r rate) bool {
	if b.empty(now, r) {
		return false
	}
	if b.isFull(now) {
		b.full = now
	}
	b.full = b.full.Add(r.token)
	return true
}

// empty reports whether there is no token to take.
func (b *bucket) empty(now time.Time, r rate) bool {
	return !b.isFull(now) && b.full.Sub(now)+r.token > r.whole
}

// isFull reports whether the bucket is as good as new.
func (b *bucket) isFull(now time.Time) bool { return !b.full.After(now) }
