package tcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// failures are why a dial failed: one error for each server, or for each address.
type failures []error

// join makes one error of them. It is permanent if all are: while one server may come
// back, waiting makes sense.
func (fs failures) join() error {
	if len(fs) == 1 {
		return fs[0]
	}
	for _, err := range fs {
		if !poolkit.IsPermanent(err) {
			return transient{fs}
		}
	}
	return fs
}

func (fs failures) Error() string {
	texts := make([]string, len(fs))
	for i, err := range fs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (fs failures) Unwrap() []error { return fs }

// transient hides that some of many failures are permanent.
type transient struct{ failures }

// Unwrap returns the others, with what they wrap, and the texts of these.
func (t transient) Unwrap() []error {
	var rest []error
	for _, err := range t.failures {
		if poolkit.IsPermanent(err) {
			err = opaque{err}
		}
		rest = append(rest, err)
	}
	return rest
}

// opaque is an error that can be compared with, and no more.
type opaque struct{ error }

func (o opaque) Is(target error) bool { return errors.Is(o.error, target) }

var errNoConn = errors.New("it returned neither a connection nor an error: return one of them")

// isNil reports whether a connection, or a listener, is none.
func isNil(conn any) bool {
	if conn == nil {
		return true
	}
	v := reflect.ValueOf(conn)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// catch is deferred: it turns the panic of a user's function into an error.
func catch(callback string, err *error) {
	if v := recover(); v != nil {
		*err = &poolkit.PanicError{Callback: callback, Value: v, Stack: debug.Stack()}
	}
}

// local reports whether an error is our own system's doing, and no server's.
func local(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// connectError says why a server was not reached.
func connectError(server string, err error) error {
	advice := ""
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		advice = ": too many files are open here: raise the limit (ulimit -n) or lower MaxOpen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = ": no local port is free: keep connections for longer, or lower MaxOpen"
	case errors.As(err, &dns) && dns.IsNotFound:
		return poolkit.Permanent(fmt.Errorf("connect to %s: %w: nobody has that name: correct it", server, err))
	case errors.Is(err, syscall.ECONNREFUSED):
		advice = ": nothing listens there: start the server, or correct the address"
	case errors.Is(err, errEjected):
		return fmt.Errorf("connect to %s: its addresses have failed lately", server)
	case isTimeout(err):
		advice = ": it does not answer: see whether it runs, and a firewall lets us through"
	}
	return fmt.Errorf("connect to %s: %w%s", server, err, advice)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// handshakeError says why there is no TLS with a server. What either side refused,
// waiting will not cure.
func handshakeError(server string, err error) error {
	wrapped := fmt.Errorf("TLS handshake with %s: %w", server, err)
	var (
		header     tls.RecordHeaderError
		host       x509.HostnameError
		authority  x509.UnknownAuthorityError
		unverified *tls.CertificateVerificationError
		mismatch   *trust.MismatchError
		remote     *net.OpError
	)
	advice := ""
	switch {
	case errors.As(err, &mismatch):
	case errors.As(err, &host):
		advice = ": set TLS.ServerName to a name that the certificate has, or correct the address"
	case errors.As(err, &authority):
		advice = ": set TLS.RootCAs to who has issued the certificate, or Trust to its key"
	case errors.As(err, &unverified):
		advice = ": the server needs another certificate, or we another clock"
	case errors.As(err, &header):
		advice = ": no TLS is spoken there: leave TLS and Trust out, or correct the port"
	case errors.As(err, &remote) && remote.Op == "remote error":
		advice = ": the server refused what TLS offered: look at its certificates, versions and protocols"
	case isTimeout(err):
		return fmt.Errorf("%w: it let us in and said nothing", wrapped)
	default:
		return wrapped
	}
	return poolkit.Permanent(fmt.Errorf("%w%s", wrapped, advice))
}
