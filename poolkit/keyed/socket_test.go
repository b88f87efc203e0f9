package keyed_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
)

// echo are servers that count together what they have open.
type echo struct {
	serving sync.WaitGroup

	mu         sync.Mutex
	open, most int
	accepted   int
}

func (s *echo) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
	s.most = max(s.most, s.open)
	if n > 0 {
		s.accepted++
	}
}

// listen starts a server, which ends when its listener is closed.
func (s *echo) listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.count(1)
			s.serving.Go(func() {
				_, _ = io.Copy(c, c)
				s.count(-1)
				c.Close() // the client sees it now
			})
		}
	})
	return ln
}

// dial is the configuration of a pool of connections to an address. A connection has been
// shut when the server has seen its end.
func dial(addr string) (poolkit.Config[*net.TCPConn], error) {
	return poolkit.Config[*net.TCPConn]{
		Dialer: poolkit.DialerFunc[*net.TCPConn](func(ctx context.Context, _ int) (poolkit.ID, *net.TCPConn, error) {
			// Were the dial given up, the server might have a connection all the same.
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return poolkit.ID{}, nil, err
			}
			if err := ctx.Err(); err != nil {
				_ = hangUp(c.(*net.TCPConn))
				return poolkit.ID{}, nil, err
			}
			return poolkit.RandomID(), c.(*net.TCPConn), nil
		}),
		Shut:        hangUp,
		MinCapacity: 1, MaxCapacity: 4,
	}, nil
}

// hangUp closes a connection, and returns when the server has seen it.
func hangUp(c *net.TCPConn) error {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	_ = c.CloseWrite()
	_, _ = io.Copy(io.Discard, c)
	return c.Close()
}

func TestServersNeverSeeMoreConnectionsThanTheBudget(t *testing.T) {
	const budget = 6
	var s echo
	var keys []string
	var listeners []net.Listener
	for range 12 {
		ln := s.listen(t)
		listeners = append(listeners, ln)
		keys = append(keys, ln.Addr().String())
	}
	p, err := keyed.New(keyed.Config[string, *net.TCPConn]{Pool: dial, Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	uses := 150
	if testing.Short() || underRace {
		uses = 40
	}
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			for n := range uses {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				key := keys[rand.IntN(1+rand.IntN(len(keys)))]
				l, err := p.Acquire(ctx, key)
				cancel()
				if err != nil {
					t.Error(err)
					return
				}
				if got := l.Conn().RemoteAddr().String(); got != key {
					t.Errorf("a connection to %s for key %s", got, key)
				}
				said := fmt.Sprintf("%d.%d\n", i, n)
				_ = l.Conn().SetDeadline(time.Now().Add(time.Minute))
				_, _ = io.WriteString(l.Conn(), said)
				heard, err := bufio.NewReader(l.Conn()).ReadString('\n')
				if heard != said {
					t.Errorf("said %q, heard %q, %v", said, heard, err)
				}
				l.Release()
			}
		})
	}
	clients.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for _, ln := range listeners {
		ln.Close()
	}
	s.serving.Wait()
	if s.open != 0 || s.most > budget || s.most < 2 {
		t.Errorf("the servers had %d connections at most, and have %d now; want %d at most, and none", s.most, s.open, budget)
	}
	t.Logf("%d connections for %d uses, %d at once", s.accepted, 16*uses, s.most)
}

func TestAServerThatIsGoneHarmsNoOther(t *testing.T) {
	var s echo
	good, bad := s.listen(t), s.listen(t)
	p, err := keyed.New(keyed.Config[string, *net.TCPConn]{Pool: dial, Budget: 3})
	if err != nil {
		t.Fatal(err)
	}
	bad.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 8 {
		waiting.Go(func() {
			if _, err := p.Acquire(ctx, bad.Addr().String()); err == nil {
				t.Error("a server that is gone was reached")
			}
		})
	}
	for range 200 {
		l, err := p.Acquire(t.Context(), good.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	cancel()
	waiting.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	good.Close()
	s.serving.Wait()
}
