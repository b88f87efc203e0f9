package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

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
	codeSilent   = 3 // nothing came back from the peer

	codeNotAllowed = 5 // the client is at an address that is not allowed
	codeQuota      = 6 // the client's address has as many as it may
)

var (
	errProtocol = errors.New("the peer does not speak np-quic")
	errSilent   = errors.New("the peer did not complete the exchange of the stream's ID in time")
	errQuota    = errors.New("this address has as many streams as the server allows: see its Limits")
)

// exchanges are those under way on one connection. All end with the pool's context;
// one that takes too long is reset.
type exchanges struct {
	alarms
	batch    batch
	ended    atomic.Uint64 // those that were not given up
	follow   sync.Once     // the pool's context
	unfollow func() bool   // set by follow
}

// forget lets go of the pool's context, for good.
func (x *exchanges) forget() {
	x.follow.Do(func() { x.unfollow = func() bool { return false } })
	x.unfollow()
}

// exchange is one of them.
type exchange struct {
	alarm
	stream *quicgo.Stream
	over   atomic.Bool // in time or too late, whatever comes first
}

func (e *exchange) ring() {
	if e.over.CompareAndSwap(false, true) {
		reset(e.stream, codeProtocol)
	}
}

// run does one exchange. When it fails, the stream has been reset. ctx must be the
// same in every call.
func (x *exchanges) run(ctx context.Context, s *quicgo.Stream, do func(*quicgo.Stream) error) error {
	x.follow.Do(func() { x.unfollow = context.AfterFunc(ctx, x.end) })
	e := &exchange{stream: s}
	x.set(&e.alarm, e)
	err := do(s)
	x.cancel(&e.alarm)
	late := !e.over.CompareAndSwap(false, true)
	switch {
	case late && ctx.Err() != nil:
		return context.Cause(ctx)
	case late:
		return errSilent
	case err != nil:
		reset(s, codeProtocol)
	}
	x.ended.Add(1)
	return err
}

// ask is the client's side: it asks for the ID of a stream that was just opened.
func (x *exchanges) ask(ctx context.Context, s *quicgo.Stream) (id poolkit.ID, err error) {
	err = x.run(ctx, s, func(s *quicgo.Stream) error {
		x.batch.write(s, []byte{hello})
		n, err := io.ReadFull(s, id[:])
		if isQuota(err) {
			return fmt.Errorf("%w: %w", errQuota, err)
		}
		if err != nil {
			return fmt.Errorf("read a stream ID, %d of %d bytes: %w", n, len(id), err)
		}
		return nil
	})
	return id, err
}

// answer is the server's side: it tells the client the ID of a stream.
func (x *exchanges) answer(ctx context.Context, s *quicgo.Stream, id poolkit.ID) error {
	return x.run(ctx, s, func(s *quicgo.Stream) error {
		var b [1]byte
		if _, err := io.ReadFull(s, b[:]); err != nil {
			return fmt.Errorf("read the first byte of a stream: %w", err)
		}
		if b[0] != hello {
			return fmt.Errorf("%w: a stream began with %#02x, not %#02x", errProtocol, b[0], hello)
		}
		x.batch.write(s, id[:])
		return nil
	})
}

// isQuota reports whether a server has reset a stream as one too many.
func isQuota(err error) bool {
	reset, ok := errors.AsType[*quicgo.StreamError](err)
	return ok && reset.Remote && reset.ErrorCode == codeQuota
}

// reset ends both halves of a stream at once.
func reset(s *quicgo.Stream, code quicgo.StreamErrorCode) {
	s.CancelRead(code)
	s.CancelWrite(code)
}

// withALPN returns a copy of conf that speaks our protocol and no other: whoever speaks
// another could not be served here.
func withALPN(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	conf.NextProtos = []string{alpn}
	if choose := conf.GetConfigForClient; choose != nil {
		conf.GetConfigForClient = func(client *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(client)
			if err != nil || chosen == nil {
				return nil, err
			}
			return withALPN(chosen), nil
		}
	}
	return conf
}
