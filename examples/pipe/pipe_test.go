package main

import (
	"context"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/pooltest"
)

func TestPipesAreABackend(t *testing.T)              { pooltest.Run(t, pipes) }
func TestPipesAreABackendInVirtualTime(t *testing.T) { pooltest.RunInBubble(t, pipes) }

// pipes is the backend as the suite gets it.
func pipes(tb testing.TB) pooltest.Backend[*conn] {
	s := newServer(tb)
	return pooltest.Backend[*conn]{
		Config:   config(s.pipes),
		Echo:     pooltest.Echo[*conn],
		PeerID:   func(c *conn) (poolkit.ID, error) { return s.of(c.id).id, nil },
		PeerOpen: s.count,
		Kill:     func(id poolkit.ID, _ *conn) { s.of(id).Close() },
		Refuse:   func() { s.refuses.Store(true) },
		Stall:    s.silence.Close,
		Recover: func() {
			s.refuses.Store(false)
			s.silence.Open()
		},
	}
}

// server is at the far ends of pipes. It sends back what it reads, and can be told to
// misbehave.
type server struct {
	pipes   chan *conn // sent to by dials; never closed
	silence pooltest.Gate
	refuses atomic.Bool
	work    sync.WaitGroup

	mu      sync.Mutex
	open    map[poolkit.ID]*conn // guarded by mu
	arrived sync.Cond            // on mu: open has grown
}

func newServer(tb testing.TB) *server {
	s := &server{pipes: make(chan *conn), open: make(map[poolkit.ID]*conn)}
	s.arrived.L = &s.mu
	ctx, stop := context.WithCancel(context.Background())
	s.work.Go(func() { s.accept(ctx) })
	tb.Cleanup(func() {
		stop()
		s.work.Wait()
	})
	return s
}

func (s *server) accept(ctx context.Context) {
	for s.silence.Pass(ctx) == nil {
		select {
		case c := <-s.pipes:
			if s.refuses.Load() {
				c.Close()
				continue
			}
			s.mu.Lock()
			s.open[c.id] = c
			s.mu.Unlock()
			s.arrived.Broadcast()
			s.work.Go(func() { s.serve(c) })
		case <-ctx.Done():
			return
		}
	}
}

// serve ends with the pipe.
func (s *server) serve(c *conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.open, c.id)
		s.mu.Unlock()
	}()
	for b := make([]byte, 64); ; {
		n, err := c.Read(b)
		if err == nil {
			err = s.silence.Pass(c.ended)
		}
		if err == nil {
			_, err = c.Write(b[:n])
		}
		if err != nil {
			return
		}
	}
}

// of returns the far end of a pipe, which may have been sent a moment ago.
func (s *server) of(id poolkit.ID) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open[id] == nil {
		s.arrived.Wait()
	}
	return s.open[id]
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func TestItRuns(t *testing.T) {
	var out strings.Builder
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "ANY\nMEMBER\nWILL DO\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// The guide shows all of pipe.go, and parts of this file, as they are.
func TestTheGuideShowsTheCodeAsItIs(t *testing.T) {
	guide := read(t, "../../docs/write-your-own-backend.md")
	shown := make(map[string][]string) // by file
	for _, block := range regexp.MustCompile("(?ms)^```go (\\S+)\n(.*?)^```$").FindAllStringSubmatch(guide, -1) {
		shown[block[1]] = append(shown[block[1]], block[2])
	}
	if got, want := strings.Join(shown["pipe.go"], "\n"), read(t, "pipe.go"); got != want {
		t.Errorf("the guide does not show pipe.go as it is, but:\n%s", got)
	}
	for _, part := range shown["pipe_test.go"] {
		if !strings.Contains(read(t, "pipe_test.go"), part) {
			t.Errorf("the guide shows what is not in pipe_test.go:\n%s", part)
		}
	}
	if n := len(shown["pipe_test.go"]); n != 1 || len(shown) != 2 {
		t.Errorf("the guide shows %d parts of pipe_test.go, and %d files; want 1 and 2", n, len(shown))
	}
	if n := strings.Count(read(t, "pipe.go"), "\n"); n > 60 {
		t.Errorf("pipe.go has %d lines, and is to be read in one go: at most 60", n)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}
