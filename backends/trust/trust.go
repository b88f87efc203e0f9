// Package trust lets TLS clients trust servers that no certificate authority vouches
// for, self-signed ones above all: by [Pins], or by the key that a server had when it
// was used first ([OnFirstUse]).
//
// The backends of poolkit take a [Policy] where they dial. [Config] serves any other
// client of crypto/tls.
package trust

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy says which keys are trusted. Any goroutine may call it at any time.
type Policy interface {
	// Check returns nil if the server may have the key that it presented. It is called
	// in every handshake, also in those that resume a session, and holds it up.
	// The handshake then proves that the server has the key, or fails.
	Check(server string, presented Pin) error
}

// Config returns a copy of conf for connections to a server that p has to trust; a nil
// conf is an empty one. server is the name by which p knows it.
//
// The policy takes the place of certificate authorities: who has a trusted key is the
// server, whatever its certificate says of issuers, names and dates (as in RFC 7671,
// section 5.1). Where conf has RootCAs, and no InsecureSkipVerify, the certificate
// must stand up to those as well. To ask both the system's authorities and p, set
// RootCAs to [crypto/x509.SystemCertPool].
//
// VerifyConnection of conf is called once p is content.
func Config(conf *tls.Config, p Policy, server string) *tls.Config {
	if conf == nil {
		conf = new(tls.Config)
	}
	conf = conf.Clone()
	if conf.RootCAs == nil {
		conf.InsecureSkipVerify = true // p verifies
	}
	next := conf.VerifyConnection
	// Unlike VerifyPeerCertificate, it is called when a session is resumed, too.
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("trust: the server has no certificate")
		}
		// Only the first certificate's key is proven. Anybody can send the others.
		if err := p.Check(server, PinOf(s.PeerCertificates[0])); err != nil {
			return err
		}
		if next == nil {
			return nil
		}
		return next(s)
	}
	return conf
}

// Validate returns an error if p cannot trust anybody, because something was
// forgotten.
func Validate(p Policy) error {
	switch p := p.(type) {
	case nil:
		return errors.New("trust: the policy is nil: set Pins or OnFirstUse")
	case Pins:
		if len(p) == 0 {
			return errors.New("trust: there are no pins: nobody would be trusted")
		}
		if slices.Contains(p, Pin{}) {
			return errors.New("trust: a pin is zero: make it with ParsePin or PinOf")
		}
	case firstUse:
		if p.store == nil {
			return errors.New("trust: the store is nil: pass a Memory, a Dir or your own")
		}
	}
	return nil
}

// Pins are the keys that are trusted. While a server's key is being changed, they are
// the old one and the new one.
type Pins []Pin

// Check implements [Policy]. Its error is a [*MismatchError].
func (p Pins) Check(server string, presented Pin) error {
	if !slices.Contains(p, presented) {
		return &MismatchError{Server: server, Presented: presented, Trusted: slices.Clone(p)}
	}
	return nil
}

// OnFirstUse trusts a server that s does not know yet, and from then on only the key
// that it had: whoever answers in its place later is refused. Who does so the first
// time is not, so use it where that is unlikely, or pass a store that asks somebody.
//
// Where several connections are set up at once, they agree on one key.
func OnFirstUse(s Store) Policy { return firstUse{s} }

type firstUse struct{ store Store }

// Check implements [Policy]. Its error is a [*MismatchError], or the store's.
//
// The key is remembered before the handshake proves that the server has it. Who could
// make use of that could as well present a key of their own.
func (f firstUse) Check(server string, presented Pin) error {
	known, err := f.store.Remember(server, presented)
	if err != nil {
		return fmt.Errorf("trust: remember the key of %s: %w", server, err)
	}
	return Pins{known}.Check(server, presented)
}

// MismatchError says that a server presented a key that is not trusted.
type MismatchError struct {
	Server    string // by the name that the policy knows; may be empty
	Presented Pin    // of that key
	Trusted   []Pin  // what would have been trusted
}

func (e *MismatchError) Error() string {
	trusted := make([]string, len(e.Trusted))
	for i, p := range e.Trusted {
		trusted[i] = p.String()
	}
	return fmt.Sprintf("trust: %s presented the key %v, and what is trusted is %s: "+
		"trust the new key if it was changed on purpose, otherwise somebody else answers",
		cmp.Or(e.Server, "the server"), e.Presented, strings.Join(trusted, ", "))
}
