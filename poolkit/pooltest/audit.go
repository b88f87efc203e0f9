package pooltest

import (
	"fmt"
	"sync"

	"github.com/vistone/poolkit/poolkit"
)

// event is called by each callback of the pool.
func (r *rig[C]) event(callback string) {
	r.look(callback)
	if r.hurts != nil {
		r.hurts(callback)
	}
}

// look audits the pool in the midst of whatever is going on.
func (r *rig[C]) look(at string) {
	if r.closed.Load() {
		r.Errorf("%s came after Close had returned", at)
	}
	if r.passes != nil {
		r.passes(int(r.events.Add(1)))
	}
	p := r.pool.Load()
	if p == nil {
		return // New has not returned yet
	}
	// What is open holds a place, from before it is made until after it was shut.
	s := p.Stats()
	if open := len(r.census.open()); r.places > 0 && (s.Open() > r.places || open > r.places) {
		r.Errorf("at %s %d members are open, and the pool counts %d: it has %d places", at, open, s.Open(), r.places)
	}
	if n := r.meter.Most(); r.places > 0 && r.backend.Config.Acceptor == nil && n > dialing {
		r.Errorf("at %s %d dials were under way: MaxDialing is %d", at, n, dialing)
	}
}

// settled waits until nobody uses the pool, and it is full; then its books have to be
// right.
func (r *rig[C]) settled() {
	r.Helper()
	p := r.pool.Load()
	var s poolkit.Stats
	r.eventually(func() bool {
		s = p.Stats()
		return s.OnLoan == 0 && s.Waiting == 0 && s.Closing == 0 && s.Promised == 0 && s.Idle >= kept &&
			s.Idle == len(r.census.open())
	}, "the pool does not come to rest when nobody uses it: at least %d members should be idle, and nothing else open", kept)
	if open := r.backend.PeerOpen; open != nil {
		r.eventually(func() bool { return open() == p.Stats().Open() },
			"the peer does not have as many members open as the pool: "+
				"Shut must end a member at both ends, and a dial that fails must end what it has opened")
	}
}

// close closes the pool; then nothing may be left.
func (r *rig[C]) close() {
	r.Helper()
	r.census.closing.Store(true)
	var err error
	r.within(func() { err = r.pool.Load().Close() }, "Close does not return. "+
		"Dial, Admit and Accept must return soon after their context has ended, and Shut must not wait for a peer without a bound")
	r.closed.Store(true)
	if err != nil {
		r.Errorf("Close: %v", err)
	}
	if s := r.pool.Load().Stats(); s.Open() != 0 || s.Waiting != 0 {
		r.Errorf("after Close the pool counts %d members and %d callers", s.Open(), s.Waiting)
	}
	if n := r.closings.Load(); r.backend.Config.Closed != nil && n != 1 {
		r.Errorf("after Close, Closed has been called %d times", n)
	}
	if n := r.meter.UnderWay(); n != 0 {
		r.Errorf("after Close %d dials are under way", n)
	}
	r.census.allShut()
	r.recover()
	if open := r.backend.PeerOpen; open != nil {
		r.eventually(func() bool { return open() == 0 },
			"all members have been shut, and the peer still has some open: "+
				"Shut must end a member at both ends, and a dial that fails must end what it has opened")
	}
}

// end is for checks that did not come to their end.
func (r *rig[C]) end() {
	r.recover()
	r.gate.Open()
	switch {
	case r.closed.Load():
	case r.opened.Load():
		r.census.closing.Store(true)
		done := make(chan struct{}) // closed by the goroutine, which ends with Close
		go func() {
			defer close(done)
			_ = r.pool.Load().Close() // it has failed already
		}()
		poll(r.bubble, func() bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		})
	case r.backend.Config.Closed != nil:
		_ = r.backend.Config.Closed() // nobody asked for more
	}
}

func (r *rig[C]) recover() {
	if r.backend.Recover != nil {
		r.backend.Recover()
	}
}

// stands describes how things stand.
func (r *rig[C]) stands() string {
	s := r.pool.Load().Stats()
	text := fmt.Sprintf("%d idle, %d on loan, %d on their way, %d being shut, %d waiting; %d dials under way; %d members have been made, %d of them are open",
		s.Idle, s.OnLoan, s.Promised, s.Closing, s.Waiting, r.meter.UnderWay(),
		len(r.census.all()), len(r.census.open()))
	if r.backend.PeerOpen != nil {
		text += fmt.Sprintf(", the peer has %d open", r.backend.PeerOpen())
	}
	if s.LastError != nil {
		text += fmt.Sprintf("; last failure: %v", s.LastError)
	}
	return text
}

// sightings counts what was seen, by name.
type sightings struct {
	mu   sync.Mutex
	seen map[string]int // guarded by mu
}

func (s *sightings) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[string]int)
	}
	s.seen[name]++
}

func (s *sightings) of(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[name]
}
