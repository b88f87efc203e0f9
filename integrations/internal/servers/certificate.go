//go:build unix

package servers

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/vistone/poolkit/internal/selfsigned"
)

// certificate writes a new certificate for localhost and its key into a folder.
func certificate(tb testing.TB, dir string) (cert *x509.Certificate, certFile, keyFile string) {
	tb.Helper()
	made, err := selfsigned.Certificate()
	if err != nil {
		tb.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		tb.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			tb.Fatal(err)
		}
		return path
	}
	return made.Leaf, write("cert.pem", "CERTIFICATE", made.Leaf.Raw), write("key.pem", "PRIVATE KEY", key)
}
