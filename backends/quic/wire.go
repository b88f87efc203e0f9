package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// alpn names the protocol in the TLS handshake.
const alpn = "np-quic"

// hello is the byte by which a client asks for the ID of a stream it has opened.
const hello = 0x00

// The lengths of what the two ends send before the application's own bytes.
const (
	clientPreface = 1
	serverPreface = int64(len(poolkit.ID{}))
)

// The application error codes of connections and streams.
const (
	codeDone     = 0 // closed by the user, or no longer needed
	codeProtocol = 1 // the peer broke the exchange
	codeRefused  = 2 // no room
)

// errProtocol is what a peer that breaks the exchange is turned away with.
var errProtocol = errors.New("the peer does not speak np-quic")

// ask is the client's side of the exchange on a stream that was just opened. When
// it fails, the stream has been reset.
func ask(ctx context.Context, s *quicgo.Stream) (poolkit.ID, error) {
	var id poolkit.ID
	err := exchange(ctx, s, func() error {
		if _, err := s.Write([]byte{hello}); err != nil {
			return fmt.Errorf("ask for a stream ID: %w", err)
		}
		if n, err := io.ReadFull(s, id[:]); err != nil {
			return fmt.Errorf("read a stream ID, %d of %d bytes: %w", n, len(id), err)
		}
		return nil
	})
	return id, err
}

// answer is the server's side.
func answer(ctx context.Context, s *quicgo.Stream, id poolkit.ID) error {
	return exchange(ctx, s, func() error {
		var b [1]byte
		if _, err := io.ReadFull(s, b[:]); err != nil {
			return fmt.Errorf("read the first byte of a stream: %w", err)
		}
		if b[0] != hello {
			return fmt.Errorf("%w: a stream began with %#02x, not %#02x", errProtocol, b[0], hello)
		}
		if _, err := s.Write(id[:]); err != nil {
			return fmt.Errorf("send a stream ID: %w", err)
		}
		return nil
	})
}

// exchange runs f, and resets the stream when f fails or ctx ends.
func exchange(ctx context.Context, s *quicgo.Stream, f func() error) error {
	stop := context.AfterFunc(ctx, func() { reset(s, codeProtocol) })
	err := f()
	if !stop() {
		return context.Cause(ctx)
	}
	if err != nil {
		reset(s, codeProtocol)
	}
	return err
}

// reset ends both halves of a stream at once.
func reset(s *quicgo.Stream, code quicgo.StreamErrorCode) {
	s.CancelRead(code)
	s.CancelWrite(code)
}

// withALPN returns a copy of conf that offers our protocol.
func withALPN(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	if !slices.Contains(conf.NextProtos, alpn) {
		conf.NextProtos = append(slices.Clip(conf.NextProtos), alpn)
	}
	return conf
}
