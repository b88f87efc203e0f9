package tcp

import (
	"crypto/tls"
	"sync"
)

const (
	// A server gives each connection one or two tickets, and MaxDialing connections may
	// be made at once, 32 by default.
	ticketsKept = 32

	// More servers are not remembered, should their names change all the time.
	serversKept = 64
)

// sessions keep TLS tickets, several for each server. A ticket is used once, so that
// nobody on the way can tell which connections are the same client's (RFC 8446,
// appendix C.4); but the last one stays until another comes, since to resume saves the
// server more than that would save us.
type sessions struct {
	mu      sync.Mutex
	tickets map[string][]*tls.ClientSessionState // guarded by mu: by server, the latest last
}

func newSessions() *sessions { return &sessions{tickets: make(map[string][]*tls.ClientSessionState)} }

// of returns the cache for one server: servers with the same certificate do not take
// each other's tickets.
func (s *sessions) of(server string) tls.ClientSessionCache { return sessionsOf{s, server} }

type sessionsOf struct {
	*sessions
	server string
}

// Get implements [tls.ClientSessionCache].
func (s sessionsOf) Get(key string) (*tls.ClientSessionState, bool) {
	key += " " + s.server
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.tickets[key]
	n := len(all)
	if n == 0 {
		return nil, false
	}
	if n > 1 {
		s.tickets[key] = all[:n-1]
	}
	return all[n-1], true
}

// Put implements [tls.ClientSessionCache].
func (s sessionsOf) Put(key string, ticket *tls.ClientSessionState) {
	key += " " + s.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if ticket == nil { // one was refused, so that the others are in doubt
		delete(s.tickets, key)
		return
	}
	all := s.tickets[key]
	if all == nil && len(s.tickets) >= serversKept {
		clear(s.tickets)
	}
	if len(all) >= ticketsKept {
		copy(all, all[1:])
		all = all[:len(all)-1]
	}
	s.tickets[key] = append(all, ticket)
}
