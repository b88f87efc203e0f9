package tcp

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// exchangeUnder is exchange as a Probe or Prepare.
func exchangeUnder(_ context.Context, c *Conn) error { return exchange(c) }

func TestAnOldConnectionIsReplacedByOneToWhatTheNameMeansNow(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("old:1", n.serves(time.Millisecond, swallow))
		n.is("new:1", n.serves(time.Millisecond, swallow))
		var moved atomic.Bool
		p := n.pool(DialConfig{
			Resolve: func(context.Context) ([]string, error) {
				if moved.Load() {
					return []string{"new:1"}, nil
				}
				return []string{"old:1"}, nil
			},
			MinCapacity: 4, MaxCapacity: 4, MaxAge: time.Minute,
		})
		ready(t, p, 4)
		moved.Store(true)
		for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			if n := p.Stats().Idle; n < 4 {
				t.Fatalf("%d connections are idle while old ones are replaced, want 4", n)
			}
		}
		synctest.Wait()
		if before, now := n.connections("old:1"), n.connections("new:1"); before != 0 || now != 4 {
			t.Errorf("%d connections to the old server and %d to the new, want 0 and 4", before, now)
		}
	})
}

// Whatever closes silent connections, a server or a middlebox, never gets to it.
func TestAnUnusedConnectionIsReplacedBeforeTheServerClosesIt(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		var closed atomic.Int32
		n.is("db:1", n.serves(time.Millisecond, func(conn net.Conn) {
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				closed.Add(1)
			}
		}))
		p := n.pool(DialConfig{Addr: "db:1", MinCapacity: 4, MaxCapacity: 4, MaxIdle: 45 * time.Second})
		time.Sleep(10 * time.Minute)
		ready(t, p, 4)
		if n := closed.Load(); n > 0 {
			t.Errorf("the server closed %d connections, want none", n)
		}
	})
}

func TestAConnectionServesAsManyLeasesAsItMay(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("db:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "db:1", MinCapacity: 1, MaxCapacity: 1, MaxUses: 3})
		uses := make(map[poolkit.ID]int)
		for range 30 {
			l := acquire(t, p)
			uses[l.ID()]++
			l.Release()
		}
		for id, n := range uses {
			if n > 3 {
				t.Errorf("connection %v served %d leases, want at most 3", id, n)
			}
		}
	})
}

// A server that has stopped without a word looks to its clients like one that has
// nothing to say.
func TestAProbeFindsAServerThatHasStopped(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		var stopped atomic.Bool
		n.is("db:1", n.serves(0, func(conn net.Conn) {
			buf := make([]byte, 64)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if !stopped.Load() {
					_, _ = conn.Write(buf[:n])
				}
			}
		}))
		p := n.pool(DialConfig{
			Addr: "db:1", MinCapacity: 4, MaxCapacity: 4,
			Prepare: exchangeUnder, Probe: exchangeUnder,
			ProbeInterval: 10 * time.Second, ProbeTimeout: time.Second,
		})
		ready(t, p, 4)
		time.Sleep(5 * time.Minute)
		if n := p.Stats().Created; n != 4 {
			t.Errorf("%d connections were made in five minutes in which all was well, want 4", n)
		}
		stopped.Store(true)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if n := p.Stats().Idle; n != 0 {
			t.Errorf("%d connections are idle that do not answer", n)
		}
		stopped.Store(false)
		ready(t, p, 4)
	})
}

func TestAProbeHasToReadWhatItAskedFor(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		failed := make(chan error, 100) // by the hook; more than there are
		cfg.MinCapacity, cfg.MaxCapacity = 1, 1
		cfg.ProbeInterval = 10 * time.Millisecond
		cfg.Probe = func(_ context.Context, c *Conn) error {
			if _, err := c.Write([]byte("PING")); err != nil {
				return err
			}
			_, err := c.Read(make([]byte, 2))
			return err
		}
		cfg.Hooks.Failed = func(_ int, err error) {
			select {
			case failed <- err:
			default:
			}
		}
		p := poolOf(t, 1, cfg)
		defer p.Close()
		if err := <-failed; !errors.Is(err, errLeftovers) {
			t.Errorf("%v, want %v", err, errLeftovers)
		}
	})
}

func TestAProbeThatPanicsEndsTheConnection(t *testing.T) {
	_, cfg := serverThat(t, false, echo)
	cfg.MinCapacity, cfg.MaxCapacity = 1, 1
	cfg.ProbeInterval = 10 * time.Millisecond
	failed := make(chan error, 100) // by the hook; more than there are
	cfg.Probe = func(context.Context, *Conn) error { panic("oops") }
	cfg.Hooks.Failed = func(_ int, err error) {
		select {
		case failed <- err:
		default:
		}
	}
	p := poolOf(t, 1, cfg)
	defer p.Close()
	var panicked *poolkit.PanicError
	if err := <-failed; !errors.As(err, &panicked) || panicked.Callback != "Probe" {
		t.Errorf("%v, want a panic of Probe", err)
	}
}

// A probe works on a connection with TLS as a request does, and leaves it as it was.
func TestAProbedConnectionIsLent(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		var probes atomic.Int32
		cfg.MinCapacity, cfg.MaxCapacity = 1, 1
		cfg.ProbeInterval = 10 * time.Millisecond
		cfg.Probe = func(_ context.Context, c *Conn) error {
			probes.Add(1)
			_ = c.SetDeadline(time.Now().Add(patience))
			return exchange(c)
		}
		p := poolOf(t, 1, cfg)
		eventually(t, "there were no probes", func() bool { return probes.Load() > 5 })
		l := acquire(t, p)
		defer l.Release()
		if err := exchange(l.Conn()); err != nil {
			t.Error(err)
		}
		if n := p.Stats().Created; n > 2 {
			t.Errorf("%d connections were made, want 2 at most: a probe ends none that is fine", n)
		}
	})
}
