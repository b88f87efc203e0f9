package tcp

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// sweepEvery is how long an idle connection may have ended before a sweeper sees it.
// Looking at a thousand takes about a millisecond.
const sweepEvery = time.Second

// sweeper does what a lookout does, on systems without epoll: it looks at each idle
// socket from time to time. Bytes that wait hide the end from it.
type sweeper struct {
	work sync.WaitGroup // run
	over chan struct{}  // closed by close

	mu      sync.Mutex
	running bool             // guarded by mu, as is all that follows
	watched map[uint64]*Conn // by number
	last    uint64           // number given out
}

func newSweeper() *sweeper {
	return &sweeper{over: make(chan struct{}), watched: make(map[uint64]*Conn)}
}

// add begins to look at a connection, until remove.
func (s *sweeper) add(c *Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		s.running = true
		s.work.Go(s.run)
	}
	s.last++
	c.number = s.last
	s.watched[c.number] = c
	return nil
}

func (s *sweeper) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watched, c.number)
}

// close ends run, and waits for it.
func (s *sweeper) close() {
	close(s.over)
	s.work.Wait()
}

// run ends with close.
func (s *sweeper) run() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.sweep()
		case <-s.over:
			return
		}
	}
}

func (s *sweeper) sweep() {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.watched))
	s.mu.Unlock()
	for _, c := range all {
		if c.watched() && c.socket.look() == ended {
			c.left()
		}
	}
}
