package quic

import (
	"fmt"
	"sync"

	quicgo "github.com/quic-go/quic-go"
)

// defaultBudget lets the first connections of a pool begin with the largest windows, and
// the first sixty with more than the least.
const defaultBudget = 1 << 30

// baseWindow is what every connection has, whatever the budget: 30 MB/s over 50 ms, and
// streams that begin with 8 KiB, which most requests fit in. An idle connection and its
// streams take a third of that in memory anyway.
const baseWindow = maxConnectionWindow / (windowStep * windowStep * windowStep)

// slice is the part of what is free that may be granted at once.
const slice = 8

// windowStep is how much smaller each first window is than the one before.
const windowStep = 4

// smallestBudget lets a window grow once. With less, all would have the least.
const smallestBudget = 16 << 20

// budget bounds what the peers of a pool may send before somebody reads it: the sum of
// the connections' receive windows. That is at most the limit and, for each connection,
// baseWindow.
//
// A window that has been granted cannot be taken back while its connection lives. So
// nobody is granted more than an eighth of what is free: the first get much, the later
// ones less, and there is always something left.
type budget struct {
	limit int64
	first uint64 // the largest first window

	mu      sync.Mutex
	granted int64 // guarded by mu: of the limit
}

// checkBudget reports what is wrong with a limit.
func checkBudget(limit int64) error {
	if limit != 0 && limit < smallestBudget {
		return fmt.Errorf("%d bytes are too few: set %d or more, or zero for %d",
			limit, smallestBudget, defaultBudget)
	}
	return nil
}

// newBudget returns a budget of so many bytes; zero means the default.
func newBudget(limit int64) *budget {
	if limit == 0 {
		limit = defaultBudget
	}
	return &budget{limit: limit, first: maxConnectionWindow}
}

// even makes the connections begin alike, as long as they are no more than one client
// may have. A client that remembers larger windows than it would get is refused its
// early data (RFC 9000, section 7.4.1).
func (b *budget) even() {
	b.first = min(b.first, baseWindow+uint64(b.limit)/(maxShards+slice))
}

// share is what one connection has of a budget.
type share struct {
	budget *budget
	window uint64 // the connection's first receive window

	granted int64 // guarded by budget.mu, as is ended
	ended   bool  // the connection has
}

// open returns the share of a new connection.
func (b *budget) open() *share {
	s := &share{budget: b, window: baseWindow}
	for w := b.first; w > baseWindow; w /= windowStep {
		if s.grow(nil, w-baseWindow) {
			s.window = w
			break
		}
	}
	return s
}

// settings returns a copy of conf with the windows of the share.
func (s *share) settings(conf *quicgo.Config) *quicgo.Config {
	conf = conf.Clone()
	conf.InitialConnectionReceiveWindow = s.window
	conf.InitialStreamReceiveWindow = s.window / streamsPerWindow
	conf.AllowConnectionWindowIncrease = s.grow
	return conf
}

// grow asks for so many bytes more. quic-go calls it while it holds locks of the
// connection, which is not to be called. Whoever is refused may ask again.
func (s *share) grow(_ *quicgo.Conn, n uint64) bool {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.ended || n > uint64(b.limit-b.granted)/slice {
		return false
	}
	b.granted += int64(n)
	s.granted += int64(n)
	return true
}

// end gives back all of it: the connection has ended.
func (s *share) end() {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.granted -= s.granted
	s.granted, s.ended = 0, true
}
