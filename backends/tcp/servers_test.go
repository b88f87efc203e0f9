package tcp

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// renew ends n connections of a pool, so that as many are made.
func renew(t *testing.T, p *pool, n int) {
	t.Helper()
	for range n {
		acquire(t, p).Discard()
	}
}

func TestConnectionsAreSpreadEvenlyOverServers(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		addrs := []string{"a:1", "b:1", "c:1"}
		for _, addr := range addrs {
			n.is(addr, n.serves(time.Millisecond, swallow))
		}
		p := n.pool(DialConfig{Addr: "a:1, b:1,c:1", MinCapacity: 9, MaxCapacity: 9})
		ready(t, p, 9)
		for _, addr := range addrs {
			if got := n.connections(addr); got != 3 {
				t.Errorf("%d connections to %s, want 3 of 9", got, addr)
			}
		}
	})
}

// With one server the connection that is warm is used again, and surplus ones age. With
// several all are to be used.
func TestWhichConnectionIsLentDependsOnTheNumberOfServers(t *testing.T) {
	for addrs, again := range map[string]bool{"a:1": true, "a:1,b:1": false} {
		t.Run(addrs, func(t *testing.T) {
			inFakeNet(t, func(t *testing.T, n *fakeNet) {
				n.is("a:1", n.serves(0, swallow))
				n.is("b:1", n.serves(0, swallow))
				p := n.pool(DialConfig{Addr: addrs, MinCapacity: 4, MaxCapacity: 4})
				ready(t, p, 4)
				l := acquire(t, p)
				synctest.Wait() // for its replacement
				l.Release()
				next := acquire(t, p)
				defer next.Release()
				if got := next.ID() == l.ID(); got != again {
					t.Errorf("the connection used last was lent again: %t, want %t", got, again)
				}
			})
		})
	}
}

func TestTheShareOfADeadServerGoesToTheOthersByTheSameDial(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("dead:1", refuses)
		n.is("alive:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "dead:1,alive:1", MinCapacity: 8, MaxCapacity: 8})
		ready(t, p, 8)
		if s := p.Stats(); s.Failed != 0 {
			t.Errorf("%d dials failed, want none: the other server took them", s.Failed)
		}
		if got := n.connections("alive:1"); got != 8 {
			t.Errorf("%d connections to the server that is alive, want 8", got)
		}
	})
}

// After its first failure a server is tried again after 1 s, 2 s, 4 s … 60 s.
func TestADeadServerIsTriedEverMoreSeldom(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("dead:1", refuses)
		n.is("alive:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "dead:1,alive:1", MinCapacity: 1, MaxCapacity: 1})
		for range 2400 { // dials without end, ten a second
			renew(t, p, 1)
			time.Sleep(100 * time.Millisecond)
		}
		tries := n.dialled("dead:1")
		var gaps []time.Duration
		for i := range tries[1:] {
			gaps = append(gaps, tries[i+1].Sub(tries[i]).Round(time.Second))
		}
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
		if len(gaps) < len(want) {
			t.Fatalf("gaps between tries are %v, want %v seconds", gaps, want)
		}
		for i, w := range want {
			if gaps[i] != w*time.Second {
				t.Errorf("gap %d between tries is %v, want %d s", i, gaps[i], w)
			}
		}
	})
}

func TestAServerThatComesBackGetsItsShareBack(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("a:1", refuses)
		n.is("b:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "a:1,b:1", MinCapacity: 4, MaxCapacity: 4})
		ready(t, p, 4)
		n.is("a:1", n.serves(0, swallow))
		time.Sleep(ejectionFirst)
		for range 8 { // the pool is given time to replace what it lost, one after the other
			renew(t, p, 1)
			synctest.Wait()
		}
		if a, b := n.connections("a:1"), n.connections("b:1"); a != 2 || b != 2 {
			t.Errorf("%d and %d connections, want 2 and 2", a, b)
		}
	})
}

func TestABlackHoledServerLeavesTimeForTheNext(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("alive:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "hole:1,alive:1", MinCapacity: 1, MaxCapacity: 1, DialTimeout: 10 * time.Second})
		start := time.Now()
		ready(t, p, 1)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("the first connection took %v, want 5s: half of the timeout", took)
		}
		if s := p.Stats(); s.Failed != 0 {
			t.Errorf("%d dials failed", s.Failed)
		}
		start = time.Now()
		renew(t, p, 100)
		ready(t, p, 1)
		if took := time.Since(start); took > 0 {
			t.Errorf("a hundred connections more took %v, want no time: the hole is known", took)
		}
	})
}

// A server that does not answer has the fewest connections, so that without care every
// dial would go there first when its ejection is over.
func TestOneDialAtATimeTriesAServerThatFailed(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("alive:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "hole:1,alive:1", MinCapacity: 32, MaxCapacity: 32})
		ready(t, p, 32)
		before := len(n.dialled("hole:1"))
		for range 10 {
			time.Sleep(ejectionFirst)
			start := time.Now()
			renew(t, p, 16)
			ready(t, p, 16)
			if took := time.Since(start); took > 0 {
				t.Fatalf("it took %v until most of 32 stood ready again, want no time", took)
			}
		}
		if tries := len(n.dialled("hole:1")) - before; tries > 5 {
			t.Errorf("the hole was tried %d times in ten seconds, want at most 5", tries)
		}
	})
}

// Ejection must not make an outage of all servers longer than it is.
func TestWhereAllServersFailedTheyAreTriedAllTheSame(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("a:1", refuses)
		n.is("b:1", refuses)
		p := n.pool(DialConfig{Addr: "a:1,b:1", MinCapacity: 2, MaxCapacity: 2})
		time.Sleep(5 * time.Minute)
		n.is("a:1", n.serves(0, swallow))
		n.is("b:1", n.serves(0, swallow))
		start := time.Now()
		ready(t, p, 2)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("after the outage it took %v until the pool was full", took)
		}
	})
}

func TestTheErrorNamesEveryServerAndItsFailure(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("a:1", refuses)
		p := n.pool(DialConfig{Addr: "a:1,hole:1", MinCapacity: 1, MaxCapacity: 1})
		time.Sleep(11 * time.Second) // the first dial fails after 10 s
		synctest.Wait()
		err := p.Stats().LastError
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the error is %v: want both failures in it", err)
		}
		for _, part := range []string{"a:1", "nothing listens there", "hole:1", "does not answer"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error %q does not say %q", err, part)
			}
		}
	})
}

func TestAnErrorIsPermanentOnlyIfItIsForEveryServer(t *testing.T) {
	errAuth := errors.New("wrong password")
	for name, other := range map[string]error{"all": poolkit.Permanent(errAuth), "one": errors.New("shutting down")} {
		t.Run(name, func(t *testing.T) {
			inFakeNet(t, func(t *testing.T, n *fakeNet) {
				n.is("a:1", n.serves(0, swallow))
				n.is("b:1", n.serves(0, swallow))
				p := n.pool(DialConfig{
					Addr: "a:1,b:1", MinCapacity: 1, MaxCapacity: 1,
					Prepare: func(_ context.Context, c *Conn) error {
						if c.RemoteAddr().String() == "a:1" {
							return poolkit.Permanent(errAuth)
						}
						return other
					},
				})
				ctx, stop := context.WithTimeout(t.Context(), time.Hour)
				defer stop()
				start := time.Now()
				_, err := p.Acquire(ctx)
				if !errors.Is(p.Stats().LastError, errAuth) {
					t.Errorf("the last error is %v, want the wrong password in it", p.Stats().LastError)
				}
				if told := time.Since(start) == 0; told != (name == "all") {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}

func TestNamesAreAskedForAnewForEveryConnection(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("old:1", n.serves(0, swallow))
		n.is("new:1", n.serves(0, swallow))
		var moved atomic.Bool
		p := n.pool(DialConfig{
			Resolve: func(context.Context) ([]string, error) {
				if moved.Load() {
					return []string{"new:1"}, nil
				}
				return []string{"old:1"}, nil
			},
			MinCapacity: 4, MaxCapacity: 4,
		})
		ready(t, p, 4)
		moved.Store(true)
		p.Flush()
		ready(t, p, 4)
		synctest.Wait()
		if before, now := n.connections("old:1"), n.connections("new:1"); before != 0 || now != 4 {
			t.Errorf("%d connections to the old server and %d to the new, want 0 and 4", before, now)
		}
	})
}

func TestAResolverThatFailsIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		resolve func(context.Context) ([]string, error)
		says    string
	}{
		"error":   {func(context.Context) ([]string, error) { return nil, net.ErrClosed }, "use of closed"},
		"nothing": {func(context.Context) ([]string, error) { return nil, nil }, "there is none"},
		"no port": {func(context.Context) ([]string, error) { return []string{"db"}, nil }, "must be host:port"},
		"panic":   {func(context.Context) ([]string, error) { panic("oops") }, "Resolve panicked: oops"},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeNet(t, func(t *testing.T, n *fakeNet) {
				n.is("db:1", n.serves(0, swallow))
				var works atomic.Bool
				p := n.pool(DialConfig{Resolve: func(ctx context.Context) ([]string, error) {
					if works.Load() {
						return []string{"db:1"}, nil
					}
					return c.resolve(ctx)
				}})
				synctest.Wait()
				if err := p.Stats().LastError; err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("the error is %v, want one that says %q", err, c.says)
				}
				works.Store(true)
				ready(t, p, 1)
			})
		})
	}
}
