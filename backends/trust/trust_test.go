package trust_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/trust"
)

// certify returns a self-signed certificate for a key.
func certify(t testing.TB, key *ecdsa.PrivateKey, name string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// newServer returns the certificate of a server with a key of its own.
func newServer(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, key, "server.example")
}

func pin(cert tls.Certificate) trust.Pin { return trust.PinOf(cert.Leaf) }

// authorities are those of a client that trusts one certificate.
func authorities(cert tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(cert.Leaf)
	return p
}

// connect does a handshake and returns what the client makes of it.
func connect(t *testing.T, client, server *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the connection
		defer close(done)
		s, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = s.Write([]byte("x")) // after the handshake and a session ticket
		_, _ = io.Copy(io.Discard, s)
		s.Close()
	}()
	socket, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(socket, client)
	_, err = io.ReadFull(c, make([]byte, 1))
	state := c.ConnectionState()
	socket.Close()
	<-done
	ln.Close()
	return state, err
}

// config is trust.Config for the server of the tests.
func config(conf *tls.Config, p trust.Policy) *tls.Config {
	return trust.Config(conf, p, "server.example:1")
}

func serve(certs ...tls.Certificate) *tls.Config { return &tls.Config{Certificates: certs} }

func TestAPinnedServerNeedsNoAuthority(t *testing.T) {
	good, other := newServer(t), newServer(t)
	pins := trust.Pins{pin(other), pin(good)}
	for name, conf := range map[string]*tls.Config{
		"without a configuration":    nil,
		"with an empty one":          {},
		"under another name":         {ServerName: "elsewhere.example"},
		"with InsecureSkipVerify":    {InsecureSkipVerify: true},
		"with vain authorities":      {InsecureSkipVerify: true, RootCAs: authorities(other)},
		"with the right authorities": {RootCAs: authorities(good), ServerName: "server.example"},
		"with TLS 1.2":               {MaxVersion: tls.VersionTLS12},
	} {
		if _, err := connect(t, config(conf, pins), serve(good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAServerWithAnotherKeyIsRefused(t *testing.T) {
	good, other := newServer(t), newServer(t)
	for name, conf := range map[string]*tls.Config{
		"without a configuration":    nil,
		"with InsecureSkipVerify":    {InsecureSkipVerify: true},
		"with the right authorities": {RootCAs: authorities(other), ServerName: "server.example"},
	} {
		_, err := connect(t, config(conf, trust.Pins{pin(good)}), serve(other))
		var mismatch *trust.MismatchError
		if !errors.As(err, &mismatch) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if mismatch.Presented != pin(other) || len(mismatch.Trusted) != 1 || mismatch.Trusted[0] != pin(good) {
			t.Errorf("%s: %+v", name, mismatch)
		}
		for _, word := range []string{"server.example:1", pin(other).String(), pin(good).String()} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", name, err, word)
			}
		}
	}
}

// Anybody can send a certificate; having its key is what counts.
func TestAPinnedCertificateBehindAnotherIsNoProof(t *testing.T) {
	good, other := newServer(t), newServer(t)
	other.Certificate = append(other.Certificate, good.Certificate...)
	_, err := connect(t, config(nil, trust.Pins{pin(good)}), serve(other))
	var mismatch *trust.MismatchError
	if !errors.As(err, &mismatch) {
		t.Errorf("%v", err)
	}
}

func TestAPinnedCertificateWithoutItsKeyIsNoProof(t *testing.T) {
	good, other := newServer(t), newServer(t)
	good.PrivateKey = other.PrivateKey
	_, err := connect(t, config(nil, trust.Pins{pin(good)}), serve(good))
	if err == nil {
		t.Error("connected")
	}
}

func TestAuthoritiesAreAskedTooWhereTheyAreNamed(t *testing.T) {
	good, other := newServer(t), newServer(t)
	for name, conf := range map[string]*tls.Config{
		"another authority": {RootCAs: authorities(other), ServerName: "server.example"},
		"another name":      {RootCAs: authorities(good), ServerName: "elsewhere.example"},
	} {
		_, err := connect(t, config(conf, trust.Pins{pin(good)}), serve(good))
		var rejected *tls.CertificateVerificationError
		if !errors.As(err, &rejected) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// remembered is a policy that tells what it was asked.
type remembered struct {
	servers []string
	err     error
}

func (r *remembered) Check(server string, _ trust.Pin) error {
	r.servers = append(r.servers, server)
	return r.err
}

func TestAPolicyIsAskedInResumedSessionsToo(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		server := serve(newServer(t))
		policy := new(remembered)
		conf := config(&tls.Config{
			ServerName:         "server.example",
			ClientSessionCache: tls.NewLRUClientSessionCache(1),
			MaxVersion:         version,
		}, policy)
		if _, err := connect(t, conf, server); err != nil {
			t.Fatal(err)
		}
		if s, err := connect(t, conf, server); err != nil || !s.DidResume {
			t.Fatalf("%s: resumed: %v, %v", name, s.DidResume, err)
		}
		if len(policy.servers) != 2 || policy.servers[1] != "server.example:1" {
			t.Errorf("%s: asked about %q", name, policy.servers)
		}
		policy.err = io.ErrNoProgress
		if _, err := connect(t, conf, server); !errors.Is(err, policy.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheUsersOwnCheckComesAfterThePolicy(t *testing.T) {
	cert := newServer(t)
	calls := 0
	conf := &tls.Config{VerifyConnection: func(tls.ConnectionState) error { calls++; return io.ErrNoProgress }}
	if _, err := connect(t, config(conf, trust.Pins{pin(cert)}), serve(cert)); !errors.Is(err, io.ErrNoProgress) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if _, err := connect(t, config(conf, trust.Pins{{1}}), serve(cert)); errors.Is(err, io.ErrNoProgress) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if conf.InsecureSkipVerify {
		t.Error("the user's configuration was changed")
	}
}

func TestAPolicyThatCanTrustNobodyIsAMistake(t *testing.T) {
	for word, p := range map[string]trust.Policy{
		"policy is nil": nil,
		"no pins":       trust.Pins{},
		"pin is zero":   trust.Pins{{1}, {}},
		"store is nil":  trust.OnFirstUse(nil),
	} {
		if err := trust.Validate(p); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, p := range []trust.Policy{trust.Pins{{1}}, trust.OnFirstUse(new(trust.Memory)), new(remembered)} {
		if err := trust.Validate(p); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
}

func TestAServerIsTrustedOnFirstUseAndThenOnlyWithThatKey(t *testing.T) {
	good, other := newServer(t), newServer(t)
	store := new(trust.Memory)
	conf := config(nil, trust.OnFirstUse(store))
	for range 2 {
		if _, err := connect(t, conf, serve(good)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := connect(t, conf, serve(other))
	var mismatch *trust.MismatchError
	if !errors.As(err, &mismatch) || mismatch.Presented != pin(other) || mismatch.Trusted[0] != pin(good) {
		t.Errorf("%v", err)
	}
	if _, err := connect(t, conf, serve(good)); err != nil {
		t.Errorf("the good server is refused after a bad one: %v", err)
	}
	store.Forget("server.example:1")
	if _, err := connect(t, conf, serve(other)); err != nil {
		t.Errorf("a server is refused though it has been forgotten: %v", err)
	}
}

// broken is a store that cannot remember.
type broken struct{ trust.Memory }

func (*broken) Remember(string, trust.Pin) (trust.Pin, error) { return trust.Pin{}, io.ErrNoProgress }

func TestAServerThatCannotBeRememberedIsNotTrusted(t *testing.T) {
	_, err := connect(t, config(nil, trust.OnFirstUse(new(broken))), serve(newServer(t)))
	if !errors.Is(err, io.ErrNoProgress) || !strings.Contains(err.Error(), "server.example:1") {
		t.Errorf("%v", err)
	}
}
