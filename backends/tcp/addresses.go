package tcp

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// How long what has failed is left alone: doubled with each failure in a row, up to a
// minute, after which trying again costs next to nothing.
const (
	ejectionFirst = time.Second
	ejectionMost  = time.Minute
)

// ejection is what is known of a server or an address that failed. Once it is over, one
// dial at a time tries again, so that no more than one waits for what may still be dead.
type ejection struct {
	failures int // in a row
	until    time.Time
	trying   bool
}

func (e *ejection) over(now time.Time) bool { return !e.until.After(now) && !e.trying }

// begin notes a dial.
func (e *ejection) begin() { e.trying = e.failures > 0 }

// outcome is how a dial went.
type outcome uint8

const (
	undecided outcome = iota // it was given up, or another was faster
	worked
	failed
)

// end notes how a dial went. Many may fail at once: that counts as one failure.
func (e *ejection) end(how outcome, now time.Time) {
	e.trying = false
	switch {
	case how == worked:
		*e = ejection{}
	case how == failed && !e.until.After(now):
		wait := min(ejectionFirst<<e.failures, ejectionMost)
		if wait < ejectionMost {
			e.failures++
		}
		e.until = now.Add(wait)
	}
}

// addresses spreads connections evenly over servers, and ejects those that fail: each
// server, by its name, and each of the addresses that a name stands for. Time comes in
// as a value.
type addresses struct {
	mu      sync.Mutex
	servers map[string]*server   // guarded by mu, as is the next: those that have connections, or failed lately
	failing map[string]*ejection // addresses that failed lately
}

// server is what is known of one.
type server struct {
	ejection

	problem     error // why it failed last
	connections int   // open or on their way
}

func newAddresses() *addresses {
	return &addresses{servers: make(map[string]*server), failing: make(map[string]*ejection)}
}

// choose returns the server that has the fewest connections, of those that are not
// ejected, and counts one more. It reports false when all are.
func (a *addresses) choose(names []string, now time.Time) (name string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now.Add(-ejectionMost))
	var best *server
	for _, n := range names {
		if s := a.server(n); s.over(now) && (best == nil || s.connections < best.connections) {
			name, best = n, s
		}
	}
	if best == nil {
		return "", false
	}
	best.connections++
	best.begin()
	return name, true
}

// soonest returns the server whose ejection ends first, and counts one connection more.
func (a *addresses) soonest(names []string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := slices.MinFunc(names, func(n, m string) int { return a.server(n).until.Compare(a.server(m).until) })
	a.server(name).connections++
	return name
}

// server returns what is known of a server, to be changed.
func (a *addresses) server(name string) *server {
	s := a.servers[name]
	if s == nil {
		s = new(server)
		a.servers[name] = s
	}
	return s
}

// forget drops what has no connections, and did not fail lately.
func (a *addresses) forget(before time.Time) {
	old := func(e *ejection) bool { return !e.trying && e.until.Before(before) }
	maps.DeleteFunc(a.servers, func(_ string, s *server) bool { return s.connections == 0 && old(&s.ejection) })
	maps.DeleteFunc(a.failing, func(_ string, e *ejection) bool { return old(e) })
}

// ended notes how a dial went that choose or soonest has counted. Unless it worked,
// there is no connection.
func (a *addresses) ended(name string, how outcome, problem error, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.server(name)
	s.end(how, now)
	if how != worked {
		s.connections--
	}
	if how != undecided {
		s.problem = problem
	}
}

// problems returns why servers failed that a dial has left out.
func (a *addresses) problems(names []string) (all failures) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		if s := a.server(name); s.problem != nil {
			all = append(all, s.problem)
		}
	}
	return all
}

// left counts out a connection.
func (a *addresses) left(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server(name).connections--
}

// tryAddr reports whether a dial may try an address, and notes that it does.
func (a *addresses) tryAddr(addr string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.failing[addr]
	if e == nil {
		return true
	}
	if !e.over(now) {
		return false
	}
	e.begin()
	return true
}

// triedAddr notes how it went.
func (a *addresses) triedAddr(addr string, how outcome, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.failing[addr]
	if e == nil {
		if how != failed {
			return
		}
		e = new(ejection)
		a.failing[addr] = e
	}
	e.end(how, now)
	if how == worked {
		delete(a.failing, addr)
	}
}
