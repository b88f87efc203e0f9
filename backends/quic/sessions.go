package quic

import "crypto/tls"

// sessions is a cache of TLS sessions whose every Get returns a copy: quic-go writes
// to the state of a session that it resumes, and one ticket serves many connections,
// which are made at the same time.
type sessions struct{ tls.ClientSessionCache }

// resuming makes the sessions of conf, which is changed, resumable.
func resuming(conf *tls.Config) *tls.Config {
	if conf.ClientSessionCache == nil {
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	conf.ClientSessionCache = sessions{conf.ClientSessionCache}
	return conf
}

// Get implements [tls.ClientSessionCache].
func (s sessions) Get(key string) (session *tls.ClientSessionState, ok bool) {
	session, ok = s.ClientSessionCache.Get(key)
	if !ok || session == nil {
		return nil, false
	}
	ticket, state, err := session.ResumptionState()
	if err != nil || state == nil {
		return nil, false
	}
	b, err := state.Bytes()
	if err != nil {
		return nil, false
	}
	if state, err = tls.ParseSessionState(b); err != nil {
		return nil, false
	}
	session, err = tls.NewResumptionState(ticket, state)
	return session, err == nil
}
