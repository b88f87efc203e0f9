package quic

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// These are about what streams that nobody reads take from the others.

// fill writes as much as the peer's windows allow, and returns how much that is.
func fill(t testing.TB, s io.Writer) (n int64) {
	t.Helper()
	deadlined := s.(interface{ SetWriteDeadline(time.Time) error })
	if err := deadlined.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<20)
	for {
		written, err := s.Write(b)
		n += int64(written)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = deadlined.SetWriteDeadline(time.Time{})
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// trickle reads a stream to its end, so slowly that no window grows.
func trickle(t testing.TB, s io.Reader) {
	b := make([]byte, 8<<10)
	for {
		_, err := io.ReadFull(s, b)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		time.Sleep(rtt / 4)
	}
}

// windows returns settings of a server with that window of its connections, which does
// not grow.
func windows(connection uint64) *quicgo.Config {
	return (&share{budget: &budget{}, window: connection}).settings(serverSettings())
}

// sender opens a stream that its peer accepts.
func sender(t testing.TB, client, server *quicgo.Conn) (from, to *quicgo.Stream) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	from, err := client.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Write([]byte{hello}); err != nil {
		t.Fatal(err)
	}
	to, err = server.AcceptStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(to, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return from, to
}

// moves checks that a stream of a connection still carries something.
func moves(t testing.TB, client, server *quicgo.Conn) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	from, err := client.OpenStreamSync(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = from.SetDeadline(time.Now().Add(5 * time.Second))
	const size = 100 << 10
	go func() {
		if n, err := from.Write(make([]byte, size)); err != nil {
			t.Errorf("wrote %d bytes of %d: %v", n, size, err)
		}
		_ = from.Close()
	}()
	to, err := server.AcceptStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = to.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.Copy(io.Discard, to); n != size || err != nil {
		t.Errorf("read %d bytes of %d: %v", n, size, err)
	}
}

func TestAllOtherStreamsOfAConnectionCanStandUnread(t *testing.T) {
	for window := uint64(scaled(maxConnectionWindow/(windowStep*windowStep), maxConnectionWindow)); window >= baseWindow; window /= windowStep {
		inWorld(t, func(t *testing.T, w *world) {
			client, server := w.bareWith(windows(window))
			// A quarter, less a little, has been read: the window is not renewed yet.
			from, to := sender(t, client, server)
			go func() {
				_, _ = from.Write(make([]byte, window/4-window/64))
				_ = from.Close()
			}()
			trickle(t, to)
			_ = to.Close()
			from.CancelRead(codeDone)

			for range places - 1 {
				from, _ := sender(t, client, server)
				if n := fill(t, from); n+clientPreface != int64(window/streamsPerWindow) {
					t.Fatalf("a stream's first window is %d of %d", n, window)
				}
			}
			moves(t, client, server)
		})
	}
}

// grown returns a stream that has been read at full speed, and then stands unread, and
// how much.
func grown(t testing.TB, client, server *quicgo.Conn, read int64) int64 {
	t.Helper()
	from, to := sender(t, client, server)
	go func() { _, _ = io.CopyN(io.Discard, to, read) }()
	return fill(t, from) - read
}

// These are twelve with the largest window, or a few more when a stream was read too
// unevenly to be given all of it.
func TestGrownStreamsCanStandUnread(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		window := int64(scaled(maxConnectionWindow/windowStep, maxConnectionWindow))
		client, server := w.bareWith(windows(uint64(window)))
		grown(t, client, server, 10<<20) // slow start
		for unread := int64(0); unread <= window*3/4-2*maxStreamWindow; {
			n := grown(t, client, server, 5<<20)
			if n <= 2*window/streamsPerWindow {
				t.Fatalf("%d bytes stand unread: the window has not grown", n)
			}
			unread += n
		}
		moves(t, client, server)
	})
}

func TestAGrownStreamAndAllOthersCanStandUnread(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.bareWith(windows(maxConnectionWindow))
		grown(t, client, server, 10<<20)
		for range places - 2 {
			from, _ := sender(t, client, server)
			fill(t, from)
		}
		moves(t, client, server)
	})
}
