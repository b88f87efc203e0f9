package quic

import "crypto/tls"

// resuming makes the sessions of conf, which is changed, resumable. One ticket serves
// every connection to a server.
func resuming(conf *tls.Config) *tls.Config {
	if conf.ClientSessionCache == nil {
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(maxShards)
	}
	conf.ClientSessionCache = ownSessions{conf.ClientSessionCache}
	return conf
}

// ownSessions gives each connection a session of its own, where the cache gives all
// the same: quic-go writes to it.
type ownSessions struct{ tls.ClientSessionCache }

// Get implements [tls.ClientSessionCache].
func (c ownSessions) Get(key string) (*tls.ClientSessionState, bool) {
	cached, ok := c.ClientSessionCache.Get(key)
	if !ok || cached == nil {
		return nil, false
	}
	ticket, session, err := cached.ResumptionState()
	if err != nil || session == nil {
		return nil, false
	}
	own := *session
	resumed, err := tls.NewResumptionState(ticket, &own)
	return resumed, err == nil
}
