package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// Pin names a public key: it is the SHA-256 of its SubjectPublicKeyInfo, as in RFC
// 7469, section 2.4. A certificate that is renewed for the same key keeps its pin.
//
// As text it is sha256/ and that in base64, which these commands print as well:
//
//	openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der |
//		openssl dgst -sha256 -binary | base64
//
// Pins are compared with ==. They are no secrets.
type Pin [sha256.Size]byte

const prefix = "sha256/"

// PinOf returns the pin of a certificate's key.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// ParsePin returns the pin with that text.
func ParsePin(s string) (Pin, error) {
	var p Pin
	b, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, prefix))
	copy(p[:], b)
	if p.String() != s {
		return Pin{}, fmt.Errorf("trust: %q is no pin: it must be %s and a SHA-256 in base64, %d characters in all",
			s, prefix, len(p.String()))
	}
	return p, nil
}

func (p Pin) String() string { return prefix + base64.StdEncoding.EncodeToString(p[:]) }

// MarshalText implements [encoding.TextMarshaler], for configuration files and flags.
func (p Pin) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *Pin) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePin(string(text))
	return err
}
