package quic

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/poolkit"
)

// whole checks that nothing of a budget is granted.
func whole(t testing.TB, b *budget) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.granted != 0 {
		t.Errorf("%d bytes are granted when every connection has ended", b.granted)
	}
}

func TestWindowsAreTheSmallerTheMoreConnectionsThereAre(t *testing.T) {
	b := newBudget(0)
	least := 0
	for before := uint64(maxConnectionWindow); least < 1000; {
		w := b.open().window
		if w > before || w < baseWindow {
			t.Fatalf("a window of %d after one of %d", w, before)
		}
		if before == maxConnectionWindow && w < before && b.granted == 0 {
			t.Error("not even the first has the largest")
		}
		if before = w; w == baseWindow {
			least++
		}
		if b.granted > b.limit {
			t.Fatalf("%d granted of %d", b.granted, b.limit)
		}
	}
}

func TestSixtyConnectionsBeginWithMoreThanTheLeast(t *testing.T) {
	b := newBudget(0)
	for i := range 60 {
		if w := b.open().window; w <= baseWindow {
			t.Fatalf("the %dth has %d", i+1, w)
		}
	}
}

func TestWithEarlyDataTheConnectionsOfAClientBeginAlike(t *testing.T) {
	for _, limit := range []int64{0, 100 << 20, 8 << 30} {
		b := newBudget(limit)
		b.even()
		first := b.open().window
		for i := range maxShards {
			if w := b.open().window; w != first {
				t.Fatalf("the %dth has %d, the first has %d", i+2, w, first)
			}
		}
	}
}

// Connections come, grow and end in any order: what is granted is what those have that
// have not ended, and never more than the limit.
func TestWhatABudgetGrantsComesBackExactly(t *testing.T) {
	b := newBudget(256 << 20)
	var wg sync.WaitGroup
	for seed := range uint64(16) {
		wg.Go(func() {
			chance := rand.New(rand.NewPCG(seed, 0))
			var open []*share
			for range 2000 {
				switch n := chance.IntN(3); {
				case n == 0 || len(open) == 0:
					open = append(open, b.open())
				case n == 1:
					open[chance.IntN(len(open))].grow(nil, chance.Uint64N(8<<20))
				default:
					last := len(open) - 1
					open[last].end()
					if open[last].grow(nil, 1) {
						t.Error("a connection that has ended is granted more")
					}
					open[last].end()
					open = open[:last]
				}
				b.mu.Lock()
				if b.granted > b.limit || b.granted < 0 {
					t.Errorf("%d granted of %d", b.granted, b.limit)
				}
				b.mu.Unlock()
			}
			for _, s := range open {
				s.end()
			}
		})
	}
	wg.Wait()
	whole(t, b)
}

func TestAServerGetsBackWhatItGrantsHoweverConnectionsEnd(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, a := w.guarded(acceptorConfig{})
		client := w.dial(DialConfig{MinCapacity: 300, MaxCapacity: 300})
		if err := client.WaitReady(t.Context(), 300); err != nil {
			t.Fatal(err)
		}
		if a.budget.granted == 0 {
			t.Error("nothing is granted")
		}
		// A client that does not trust the server ends the handshake, another goes silent
		// in the middle of it, a third speaks something else.
		other := &quicgo.Transport{Conn: w.Socket(thirdHost)}
		defer other.Close()
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		strange := simtest.Trust(w.tls)
		for range 20 {
			if _, err := other.Dial(ctx, w.Socket(serverHost).LocalAddr(), withALPN(simtest.Trust(simtest.Certificate(t))), nil); err == nil {
				t.Error("a client trusts a stranger")
			}
			strange.NextProtos = []string{"something else"}
			if _, err := other.Dial(ctx, w.Socket(serverHost).LocalAddr(), strange, nil); err == nil {
				t.Error("two speak without a common language")
			}
		}
		go func() {
			time.Sleep(rtt/2 + rtt/4)
			w.Cut(thirdHost, true)
		}()
		_, _ = other.Dial(ctx, w.Socket(serverHost).LocalAddr(), withALPN(simtest.Trust(w.tls)), nil) // its answer is lost
		w.Cut(clientHost, true)
		client.Close()
		time.Sleep(time.Minute)
		whole(t, a.budget)
	})
}

func TestAClientThatIsRefusedTakesNothingOfTheBudget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		allow := allowing(t, "192.0.2.1")
		_, a := w.guarded(acceptorConfig{allow: allow})
		stranger := &quicgo.Transport{Conn: w.Socket(clientHost)}
		defer stranger.Close()
		for range 20 {
			if _, err := stranger.Dial(t.Context(), w.Socket(serverHost).LocalAddr(), withALPN(simtest.Trust(w.tls)), nil); err == nil {
				t.Error("connected")
			}
		}
		whole(t, a.budget)
	})
}

func TestAClientGetsBackWhatItGrants(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.listen(ListenConfig{})
		d := newDialer(fixed(w.Addr(serverHost)), simtest.Trust(w.tls), clientSettings(0), w.Socket(clientHost))
		client, err := poolkit.New(d.poolConfig(300, 300, nil, poolkit.Hooks{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := client.WaitReady(t.Context(), 300); err != nil {
			t.Fatal(err)
		}
		d.budget.mu.Lock()
		if d.budget.granted == 0 {
			t.Error("nothing is granted")
		}
		d.budget.mu.Unlock()
		w.Cut(serverHost, true)
		time.Sleep(time.Minute) // the connections are given up, and no new ones can be made
		d.budget.mu.Lock()
		if d.budget.granted > maxConnectionWindow*settingUp {
			t.Errorf("%d bytes are granted, with no connection but those being made", d.budget.granted)
		}
		d.budget.mu.Unlock()
		client.Close()
		time.Sleep(time.Minute)
		whole(t, d.budget)
	})
}

func TestABudgetThatIsTooSmallIsRefused(t *testing.T) {
	for _, limit := range []int64{-1, 1, 256, smallestBudget - 1} {
		_, err := Dial(DialConfig{Addr: "127.0.0.1:1", TLS: simtest.Trust(simtest.Certificate(t)), MemoryBudget: limit})
		mentions(t, err, "DialConfig.MemoryBudget", fmt.Sprint(limit), fmt.Sprint(smallestBudget))
		_, err = Listen(ListenConfig{Addr: "127.0.0.1:0", TLS: simtest.Certificate(t), MemoryBudget: limit})
		mentions(t, err, "ListenConfig.MemoryBudget", fmt.Sprint(limit), fmt.Sprint(smallestBudget))
	}
}

// mentions checks that an error says certain words.
func mentions(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}
