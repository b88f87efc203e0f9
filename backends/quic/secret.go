package quic

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"fmt"

	quicgo "github.com/quic-go/quic-go"
)

// minSecret is the fewest bytes a secret may have: 128 bits cannot be guessed.
const minSecret = 16

// keys are what a server must still know after a restart, so that its clients learn
// of the restart at once and return in as few round trips as possible.
type keys struct {
	reset  quicgo.StatelessResetKey // answers packets of connections it no longer knows
	token  quicgo.TokenGeneratorKey // proves that a client's address was verified
	ticket [32]byte                 // resumes TLS sessions
}

// deriveKeys derives the keys from one secret, by HKDF (RFC 5869).
func deriveKeys(secret []byte) (*keys, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("the secret has %d bytes, and needs at least %d of crypto/rand", len(secret), minSecret)
	}
	k := new(keys)
	for purpose, key := range map[string][]byte{
		"poolkit/quic stateless reset": k.reset[:],
		"poolkit/quic address token":   k.token[:],
		"poolkit/quic session ticket":  k.ticket[:],
	} {
		derived, err := hkdf.Key(sha256.New, secret, nil, purpose, len(key))
		if err != nil {
			return nil, fmt.Errorf("derive the key of the %s: %w", purpose, err)
		}
		copy(key, derived)
	}
	return k, nil
}

// install makes a transport and a TLS configuration, which is changed, use the keys.
func (k *keys) install(t *quicgo.Transport, conf *tls.Config) {
	t.StatelessResetKey = &k.reset
	t.TokenGeneratorKey = &k.token
	conf.SetSessionTicketKeys([][32]byte{k.ticket})
}
