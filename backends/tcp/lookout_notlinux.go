//go:build !linux

package tcp

// lookout sees which of many sockets their peers have ended.
type lookout = sweeper

func newLookout() *lookout { return newSweeper() }
