package stream

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/vistone/poolkit/internal/selfsigned"
)

const protocol = "np-quic"

// identity returns the configurations of a server with a new certificate and of clients
// that trust it.
func identity() (server, client *tls.Config) {
	cert, err := selfsigned.Certificate()
	must(err)
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	server = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol}}
	return server, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{protocol}}
}
