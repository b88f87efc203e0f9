package pooltest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

// backend is a Peer with all that the suite can use.
func backend(testing.TB) pooltest.Backend[net.Conn] {
	p := new(pooltest.Peer)
	return pooltest.Backend[net.Conn]{
		Config:   p.Config(1),
		Echo:     pooltest.Echo[net.Conn],
		PeerID:   func(c net.Conn) (poolkit.ID, error) { return p.ID(c), nil },
		PeerOpen: p.Open,
		Kill:     func(_ poolkit.ID, c net.Conn) { p.Kill(c) },
		Refuse:   p.Refuse,
		Stall:    p.Stall,
		Recover:  p.Recover,
	}
}

func TestThePeerInMemoryIsABackend(t *testing.T)              { pooltest.Run(t, backend) }
func TestThePeerInMemoryIsABackendInVirtualTime(t *testing.T) { pooltest.RunInBubble(t, backend) }

// inPool runs a test, in virtual time, with a full pool of connections to a peer.
func inPool(t *testing.T, n int, test func(t *testing.T, peer *pooltest.Peer, pool *poolkit.Pool[net.Conn])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		peer := new(pooltest.Peer)
		pool, err := poolkit.New(peer.Config(n))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			peer.Recover()
			if err := pool.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if open := peer.Open(); open != 0 {
				t.Errorf("the pool is closed, and the peer serves %d connections", open)
			}
		}()
		if err := pool.WaitReady(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		test(t, peer, pool)
	})
}

func TestAPeerEndsAConnection(t *testing.T) {
	inPool(t, 2, func(t *testing.T, peer *pooltest.Peer, pool *poolkit.Pool[net.Conn]) {
		l, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Discard()
		if got := peer.ID(l.Conn()); got != l.ID() {
			t.Errorf("the peer calls connection %v %v", l.ID(), got)
		}
		peer.Kill(l.Conn())
		if _, err := pooltest.Echo(l.Conn(), []byte("hello?")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after Kill an echo fails with %v, want io.ErrClosedPipe", err)
		}
	})
}

func TestAPeerThatRefusesTurnsDialsAwayUntilItRecovers(t *testing.T) {
	inPool(t, 1, func(t *testing.T, peer *pooltest.Peer, pool *poolkit.Pool[net.Conn]) {
		peer.Refuse()
		pool.Flush()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var failed *poolkit.AcquireError
		if _, err := pool.Acquire(ctx); !errors.As(err, &failed) || !errors.Is(failed.Last, pooltest.ErrRefused) {
			t.Errorf("Acquire: %v, want a time-out because of ErrRefused", err)
		}
		peer.Recover()
		if err := pool.WaitReady(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
}

func TestAPeerThatFellSilentAnswersWhenItRecovers(t *testing.T) {
	inPool(t, 1, func(t *testing.T, peer *pooltest.Peer, pool *poolkit.Pool[net.Conn]) {
		l, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Release()
		synctest.Wait() // its replacement has been dialled
		peer.Stall()
		type answer struct {
			text []byte
			err  error
		}
		answers := make(chan answer, 1) // gets one; never closed
		go func() {
			text, err := pooltest.Echo(l.Conn(), []byte("hello?"))
			answers <- answer{text, err}
		}()
		dials := make(chan error, 1) // gets one; never closed
		go func() {
			_, c, err := peer.Dial(t.Context(), 0)
			if err == nil {
				c.Close()
			}
			dials <- err
		}()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(answers)+len(dials) != 0 {
			t.Error("a silent peer answers")
		}
		peer.Recover()
		if a := <-answers; a.err != nil || string(a.text) != "hello?" {
			t.Errorf("after Recover the echo is %q, %v", a.text, a.err)
		}
		if err := <-dials; err != nil {
			t.Errorf("after Recover the dial failed: %v", err)
		}
	})
}

func TestADialToASilentPeerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var peer pooltest.Peer
		peer.Stall()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := peer.Dial(ctx, 0); !errors.Is(err, context.DeadlineExceeded) || peer.Open() != 0 {
			t.Errorf("%v, and %d connections are open", err, peer.Open())
		}
	})
}

func TestEchoGivesUpAfterTenSeconds(t *testing.T) {
	inPool(t, 1, func(t *testing.T, peer *pooltest.Peer, pool *poolkit.Pool[net.Conn]) {
		l, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Discard()
		peer.Stall()
		begun := time.Now()
		_, err = pooltest.Echo(l.Conn(), []byte("hello?"))
		if nerr, ok := errors.AsType[net.Error](err); !ok || !nerr.Timeout() || time.Since(begun) != 10*time.Second {
			t.Errorf("%v after %v, want a time-out after 10s", err, time.Since(begun))
		}
	})
}

func TestAPeerServesAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := pooltest.Peer{Serve: func(c net.Conn) {
			b := make([]byte, 10)
			n, _ := c.Read(b)
			_, _ = c.Write(bytes.ToUpper(b[:n]))
		}}
		_, c, err := peer.Dial(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "HELLO" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		synctest.Wait()
		if n := peer.Open(); n != 0 {
			t.Errorf("the peer has served, and %d connections are open", n)
		}
	})
}
