package main

import (
	"errors"
	"slices"
	"time"
)

// fetched is what came of one fetch.
type fetched struct {
	by         string // the end that fetched
	name       string
	bytes      int64
	wait       time.Duration // until it had a stream
	took       time.Duration // until it had the last byte, the wait included
	stream     string        // the stream's ID
	connection string        // tells the stream's connection from others
	changed    bool          // the file has changed meanwhile, so there is nothing to compare
	err        error
}

// errMismatch is why a fetch failed that brought other bytes than those on disk.
var errMismatch = errors.New("what was fetched is not what is on disk")

// fetches are those that are over.
type fetches []fetched

func (fs fetches) where(keep func(fetched) bool) fetches {
	var kept fetches
	for _, f := range fs {
		if keep(f) {
			kept = append(kept, f)
		}
	}
	return kept
}

func (fs fetches) by(end string) fetches {
	return fs.where(func(f fetched) bool { return f.by == end })
}

// failed returns those that failed: because of target, or, where that is nil, at all.
func (fs fetches) failed(target error) fetches {
	return fs.where(func(f fetched) bool {
		return f.err != nil && (target == nil || errors.Is(f.err, target))
	})
}

func (fs fetches) bytes() int64 {
	var n int64
	for _, f := range fs {
		n += f.bytes
	}
	return n
}

// distinct counts the different values of what, the empty one aside.
func (fs fetches) distinct(what func(fetched) string) int {
	seen := make(map[string]bool)
	for _, f := range fs {
		if v := what(f); v != "" {
			seen[v] = true
		}
	}
	return len(seen)
}

// percentile returns the duration that n of a hundred of the good ones do not exceed.
func (fs fetches) percentile(n int, what func(fetched) time.Duration) time.Duration {
	var all []time.Duration
	for _, f := range fs {
		if f.err == nil {
			all = append(all, what(f))
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*n/100].Round(10 * time.Microsecond)
}
