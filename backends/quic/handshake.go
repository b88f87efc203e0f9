package quic

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// tlsTo returns the TLS configuration of a connection.
func (d *dialer) tlsTo(to choice) *tls.Config {
	conf := d.tls
	if conf.ServerName == "" && to.host != "" {
		conf = conf.Clone()
		conf.ServerName = to.host
	}
	if d.trust == nil {
		return conf
	}
	known := d.tls.ServerName
	if known == "" {
		known = net.JoinHostPort(to.host, strconv.Itoa(int(to.addr.Port())))
	}
	return trust.Config(conf, d.trust, known)
}

// connectError says why there is no connection to a server. What TLS refused, at
// either end, waiting will not cure, unless another server may do better.
func (d *dialer) connectError(addr netip.AddrPort, err error) error {
	wrapped := fmt.Errorf("connect to %v: %w", addr, foreignError{err})
	var t *quicgo.TransportError
	switch {
	case !errors.As(err, &t):
		return wrapped
	case t.ErrorCode == quicgo.ConnectionRefused:
		return fmt.Errorf("%w (the server is full, or this address is not allowed or over its limits there)", wrapped)
	case !t.ErrorCode.IsCryptoError():
		return wrapped
	}
	d.eject(addr)
	err = &handshakeError{addr, t}
	if d.addresses.another(addr, *d.targets.Load(), time.Now()) {
		return err
	}
	return poolkit.Permanent(err)
}

// foreignError is an error of quic-go's. What that says of a connection unwraps to
// [net.ErrClosed], as if the pool had been closed, or a stream by its user. And it may be a
// timeout, but that a connection timed out does not mean that a deadline has passed.
type foreignError struct{ err error }

func (e foreignError) Error() string { return e.err.Error() }

// Is finds what the error wraps, but [net.ErrClosed].
func (e foreignError) Is(target error) bool {
	return target != net.ErrClosed && errors.Is(e.err, target)
}

// As finds quic-go's errors.
func (e foreignError) As(target any) bool { return errors.As(e.err, target) }

// handshakeError is a TLS handshake that failed, at either end.
type handshakeError struct {
	addr netip.AddrPort
	err  *quicgo.TransportError
}

func (e *handshakeError) Error() string {
	s := fmt.Sprintf("connect to %v: %v", e.addr, e.err)
	if hint := e.hint(); hint != "" {
		s += " (" + hint + ")"
	}
	return s
}

// Unwrap returns what TLS says, at least a [tls.AlertError]. It hides quic-go's error,
// which says that it is [net.ErrClosed], as if the pool had been closed.
func (e *handshakeError) Unwrap() error {
	for _, err := range e.err.Unwrap() {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
	return e.alert()
}

// alert returns the TLS alert, which QUIC sends as 0x100 more (RFC 9001, section 4.8).
func (e *handshakeError) alert() tls.AlertError { return tls.AlertError(e.err.ErrorCode - 0x100) }

// Alerts of TLS (RFC 8446, section 6).
const (
	badCertificate        = 42 // the first of those about certificates
	accessDenied          = 49 // the last
	certificateRequired   = 116
	noApplicationProtocol = 120
)

// hint says what to do, where that is known.
func (e *handshakeError) hint() string {
	var mismatch *trust.MismatchError
	switch alert := e.alert(); {
	case alert == noApplicationProtocol:
		return "the server does not offer the protocol " + alpn
	case e.err.Remote && alert == certificateRequired:
		return "the server asks for a client certificate: set it in the TLS configuration"
	case e.err.Remote && alert >= badCertificate && alert <= accessDenied:
		return "the server does not accept the client certificate"
	case errors.As(e, &mismatch):
		return "" // it says that itself
	default:
		return "check the certificate, the host name and the TLS mode"
	}
}

// refused reports whether the server refused the handshake after it was complete at
// our end, where it is complete first: the server has yet to see our certificate.
func refused(err error) bool {
	var t *quicgo.TransportError
	return errors.As(err, &t) && t.Remote && t.ErrorCode.IsCryptoError()
}
