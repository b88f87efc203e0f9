package tcp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/vistone/poolkit/backends/trust"
)

// verdictMost bounds how long a new connection waits for what the server thinks of our
// certificate. That takes a round trip, no longer than the handshake before.
const verdictMost = time.Second

// setUp makes an open connection fit for use. Where it fails, it has closed it, also if
// a function of the user's ends the goroutine.
func (t *trial) setUp(ctx context.Context, raw net.Conn) (c *Conn, err error) {
	fit := false
	defer func() {
		switch {
		case fit:
		case c != nil:
			_ = c.end()
		default:
			_ = raw.Close()
		}
	}()
	begun := time.Now()
	secure, asked, err := t.handshake(ctx, raw)
	if err != nil {
		return nil, handshakeError(t.server, t.turned(err))
	}
	var m *meeting
	if t.meets {
		if m, err = t.meet(ctx, raw, secure); err != nil {
			return nil, err
		}
	}
	if c, err = newPeerConn(raw, secure, m, t.lookout); err != nil {
		return c, connectError(t.server, err)
	}
	if asked && m == nil && c.socket != nil { // an ID is an answer, too
		c.socket.awaitVerdict(time.Now().Add(min(time.Since(begun), verdictMost)))
		if !c.socket.open() {
			return c, handshakeError(t.server, cmp.Or(c.lastWord(), io.EOF))
		}
	}
	if t.prepare != nil {
		err = t.prepared(ctx, c)
	}
	fit = err == nil
	return c, err
}

// handshake starts TLS, if it is to be used. It reports whether the server has asked for
// a certificate and is yet to say what it thinks of it.
func (t *trial) handshake(ctx context.Context, raw net.Conn) (secure *tls.Conn, asked bool, err error) {
	if t.tls == nil {
		if already, ok := raw.(*tls.Conn); ok && t.meets { // the user's dialer does it
			return already, false, already.HandshakeContext(ctx)
		}
		return nil, false, nil
	}
	defer catch("a function of DialConfig.TLS", &err)
	conf := t.tlsTo(t.server)
	choose := conf.GetClientCertificate
	conf.GetClientCertificate = func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		if choose != nil {
			return choose(r)
		}
		return choice(r, conf.Certificates), nil
	}
	secure = tls.Client(newWire(raw), conf)
	err = secure.HandshakeContext(ctx)
	// Up to TLS 1.2 the server has the last word in the handshake.
	return secure, asked && secure.ConnectionState().Version == tls.VersionTLS13, err
}

// choice returns the certificate that a server will take, as crypto/tls chooses it by
// itself, or an empty one.
func choice(r *tls.CertificateRequestInfo, certs []tls.Certificate) *tls.Certificate {
	for i := range certs {
		if r.SupportsCertificate(&certs[i]) == nil {
			return &certs[i]
		}
	}
	return new(tls.Certificate)
}

// tlsTo returns the configuration for connections to a server.
func (d *dialer) tlsTo(server string) *tls.Config {
	conf := d.tls.Clone()
	known := server
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(server)
	} else {
		known = conf.ServerName
	}
	if d.sessions != nil {
		conf.ClientSessionCache = d.sessions.of(server)
	}
	if d.trust != nil {
		conf = trust.Config(conf, d.trust, known)
	}
	return conf
}

// prepared lets the user prepare a new connection.
func (t *trial) prepared(ctx context.Context, c *Conn) error {
	err := under(ctx, "Prepare", c, t.prepare)
	if err == nil && !healthy(c) {
		err = errLeftovers
	}
	if err != nil {
		return fmt.Errorf("prepare a connection to %s: %w", t.server, err)
	}
	return nil
}

// prober lets the user probe an idle connection.
func prober(probe func(context.Context, *Conn) error) func(context.Context, *Conn) error {
	return func(ctx context.Context, c *Conn) error {
		if !healthy(c) {
			return errors.New("it has ended, or the server has sent what nobody asked for")
		}
		err := under(ctx, "Probe", c, probe)
		if err == nil && !healthy(c) {
			err = errLeftovers
		}
		return err
	}
}

var errLeftovers = errors.New("it cannot be used after that: read all that the server answers, " +
	"return the errors of reads and writes, and leave it open")

// under calls a user's function with a connection that nobody else has. When ctx ends,
// so does the connection: the function may wait for the peer and need not look at ctx.
func under(ctx context.Context, name string, c *Conn, f func(context.Context, *Conn) error) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = c.end() })
	defer func() {
		if !stop() {
			err = errors.Join(context.Cause(ctx), err)
		}
	}()
	defer catch(name, &err)
	return f(ctx, c)
}
