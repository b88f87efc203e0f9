package quic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A server dies at random moments, with or without a goodbye, and another takes its
// place at once or after a while, with or without its secret. In full: a thousand of
// them.
func TestThroughManyRestartsNobodyIsHandedADeadStreamTheClientKnowsOf(t *testing.T) {
	for name, configure := range map[string]func(*dialer){
		"as is":                    func(*dialer) {},
		"early data and a max age": func(d *dialer) { d.early, d.maxAge = true, 20*time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			chance := seeded(t)
			inWorld(t, func(t *testing.T, w *world) { manyRestarts(t, w, configure, chance, scaled(12, 500)) })
		})
	}
}

func manyRestarts(t *testing.T, w *world, configure func(*dialer), chance *rand.Rand, restarts int) {
	const n = 160 // streams, on two connections
	m := w.mortality(n, configure)
	goroutines, heap := m.footprint()
	m.client.Resize(n, n)

	over := make(chan struct{})
	m.takers.Go(func() {
		for hold := 0; ; hold++ {
			select {
			case <-over:
				return
			case <-time.After(200 * time.Millisecond):
				m.takers.Go(func() { m.take(time.Duration(hold%10) * 100 * time.Millisecond) })
			}
		}
	})
	back := make(map[string][]time.Duration)
	for range restarts {
		kind, took := m.restart(chance, n)
		if took >= 0 {
			back[kind] = append(back[kind], took)
		}
	}
	close(over)
	m.takers.Wait()

	m.settled(n)
	m.forget()
	g, h := m.footprint()
	t.Logf("%d goroutines before and %d after, %d KiB of heap before and %d after", goroutines, g, heap>>10, h>>10)
	if g > goroutines {
		t.Error("goroutines have been left behind")
	}
	if h > heap+4<<20 { // the streams of a restart alone are 100 KiB
		t.Error("memory has been left behind")
	}
	t.Logf("%d takes, %d of them in vain, %d of a stream whose end the client could not know yet, %d of one that no server had had",
		m.takes, m.failed, m.unknowing, m.unowned)
	for kind, took := range back {
		slices.Sort(took)
		t.Logf("%-40s %4d times, full again after %v (median), %v (at most)", kind, len(took), took[len(took)/2], took[len(took)-1])
	}
}

// Nothing is sent on the other connections: on their own they would find out at the next
// probe, seconds later.
func TestOneConnectionThatLearnsOfARestartMakesTheOthersLearnToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const n = 8 * places
		m := w.mortality(n, func(*dialer) {})
		time.Sleep(time.Minute)
		l, err := m.client.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns := m.dialer.open()
		m.kill(false)
		m.start(true)
		begun := time.Now()
		if _, err := l.Conn().Write(make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*rtt + 8*probeSpacing)
		for _, c := range conns {
			if c.Context().Err() == nil {
				t.Error("a connection to the old server is still in use")
			}
		}
		l.Release()
		m.settled(n)
		t.Logf("full again on %d connections after %v", len(m.dialer.open()), time.Since(begun))
		if took := time.Since(begun); took > 4*rtt+firstRest+8*probeSpacing {
			t.Errorf("full again after %v", took)
		}
	})
}

// restart ends the server after a while and starts another. It returns how long after
// that both pools were full again, or −1 if the next end came first.
func (m *mortality) restart(chance *rand.Rand, n int) (kind string, took time.Duration) {
	m.Helper()
	clean, secret := chance.IntN(2) == 0, chance.IntN(2) == 0
	var away time.Duration
	switch chance.IntN(3) {
	case 0:
	case 1:
		away = time.Duration(chance.Int64N(int64(time.Second)))
	case 2:
		away = time.Duration(chance.Int64N(int64(20 * time.Second)))
	}
	life := time.Duration(chance.Int64N(int64(time.Second)))
	if chance.IntN(3) > 0 {
		life = time.Duration(chance.Int64N(int64(40 * time.Second)))
	}
	kind = fmt.Sprintf("clean: %-5v secret kept: %-5v", clean, m.server.secret && secret)
	m.kill(clean)
	time.Sleep(away)
	m.start(secret)
	begun := time.Now()
	ctx, stop := context.WithTimeout(m.Context(), life)
	defer stop()
	took = -1
	if m.client.WaitReady(ctx, n) == nil && m.server.pool.WaitReady(ctx, n) == nil {
		took = time.Since(begun)
	}
	time.Sleep(life - time.Since(begun))
	if bound := suspectedAfter + handshakeTimeout + longestPause; took < 0 && life > bound || took > bound {
		m.Errorf("%s away: %v: not full after %v: %v, %+v", kind, away, life, took, m.client.Stats())
	}
	return kind, took
}

// longestPause is the longest between two attempts after failures.
const longestPause = 2500 * time.Millisecond

// settled waits until the client and the server have n idle streams and no others.
// While a connection is being renewed a few are missing.
func (m *mortality) settled(n int) {
	m.Helper()
	for end, p := range map[string]*native{"client": m.client, "server": m.server.pool} {
		begun := time.Now()
		for s := p.Stats(); s.Idle != n || s.Open() != n; s = p.Stats() {
			if time.Since(begun) > time.Minute {
				m.Fatalf("%s: want %d idle streams and no others: %+v", end, n, s)
			}
			time.Sleep(rtt)
			synctest.Wait()
		}
	}
}

// forget lets go of what the test itself holds.
func (m *mortality) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.owner, m.fate = nil, nil
}

// footprint is how many goroutines and how much heap there are while no stream is
// wanted. The client keeps none from then on.
func (m *mortality) footprint() (goroutines int, heap uint64) {
	m.Helper()
	m.client.Resize(0, 0)
	time.Sleep(2 * vacancy)
	synctest.Wait()
	if n := len(m.dialer.open()); n > 0 {
		m.Errorf("%d connections stay though none is needed", n)
	}
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return runtime.NumGoroutine(), stats.HeapAlloc
}
