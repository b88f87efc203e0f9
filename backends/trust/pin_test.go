package trust_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vistone/poolkit/backends/trust"
)

// The certificate's key and its pin by the commands that the documentation of Pin
// gives.
const (
	knownCertificate = `-----BEGIN CERTIFICATE-----
MIIBcTCCARegAwIBAgIUdafwYju6QVmo1M3zNggrzEz7ym8wCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDcGluMB4XDTI2MTEyMjE4NDIxM1oXDTM2MTExOTE4NDIxM1ow
DjEMMAoGA1UEAwwDcGluMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEdDZ9Qx+K
A/poDDA2A9AqqMPkL3pGfKQbXsOaxvV4Gohq/2GgUPpEoVwsR969h4XrpqY1up0Q
2HVY4e87ejvZT6NTMFEwHQYDVR0OBBYEFGgoMQWbwFBE9TX+G3qExAiSRLkJMB8G
A1UdIwQYMBaAFGgoMQWbwFBE9TX+G3qExAiSRLkJMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSAAwRQIhAIFwI1ckLcfrLrdPmn4Wu8QSAVPDSG2hD5YF/bmJ
tkg7AiAEBmRZw5NhwtkGcjsDKGBOUYonnvOi9ZyVlofLhZLrcg==
-----END CERTIFICATE-----
`
	knownPin = "sha256/duqU0UYyfM5EAHe+VUvLw4Fb9pFLdRekHsvYdwoWTZI="
)

func TestAPinIsWhatOpenSSLSays(t *testing.T) {
	block, _ := pem.Decode([]byte(knownCertificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := trust.PinOf(cert).String(); got != knownPin {
		t.Errorf("%s, want %s", got, knownPin)
	}
}

func TestARenewedCertificateForTheSameKeyKeepsItsPin(t *testing.T) {
	a, b := newServer(t), newServer(t)
	renewed := certify(t, a.PrivateKey.(*ecdsa.PrivateKey), "renewed.example")
	if trust.PinOf(renewed.Leaf) != pin(a) {
		t.Error("the pin depends on more than the key")
	}
	if pin(a) == pin(b) {
		t.Error("two keys have one pin")
	}
}

func TestPinsSurviveJSON(t *testing.T) {
	want := struct{ Pins trust.Pins }{trust.Pins{{1, 2}, {3}}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), want.Pins[0].String()) {
		t.Errorf("%s does not contain %v", text, want.Pins[0])
	}
	got := want
	got.Pins = nil
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoPinIsRefused(t *testing.T) {
	for _, s := range []string{
		"",
		"sha256/",
		strings.TrimPrefix(knownPin, "sha256/"),
		strings.Replace(knownPin, "sha256/", "sha256//", 1), // curl's
		strings.Replace(knownPin, "sha256/", "SHA256/", 1),
		knownPin + "\n",
		" " + knownPin,
		knownPin[:20] + "\n" + knownPin[20:],
		knownPin + knownPin,
		strings.TrimSuffix(knownPin, "="),
		knownPin[:len(knownPin)-2] + "B=", // bits that belong to no byte
		"sha256/" + strings.Repeat("00", 32),
	} {
		p, err := trust.ParsePin(s)
		if err == nil || p != (trust.Pin{}) || !strings.Contains(err.Error(), "base64, 51 characters") {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add(knownPin)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := trust.ParsePin(s)
		if err == nil && p.String() != s {
			t.Errorf("%q is read as %v", s, p)
		}
	})
}
