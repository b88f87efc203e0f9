package keyed_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/keyed"
	"github.com/vistone/poolkit/sizing"
)

// plain is the configuration of a pool whose members cost nothing.
func plain(keep int) poolkit.Config[*int] {
	var made atomic.Uint32
	return poolkit.Config[*int]{
		Dialer: poolkit.DialerFunc[*int](func(context.Context, int) (poolkit.ID, *int, error) {
			n := made.Add(1)
			return poolkit.ID{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, new(int), nil
		}),
		Shut:        func(*int) error { return nil },
		MinCapacity: keep, MaxCapacity: keep, Sizing: sizing.Fixed(keep),
	}
}

// warm returns a Pool in which every key has an idle member.
func warm(tb testing.TB, keys []string, budget int) *keyed.Pool[string, *int] {
	tb.Helper()
	p, err := keyed.New(keyed.Config[string, *int]{
		Pool:   func(string) (poolkit.Config[*int], error) { return plain(1), nil },
		Budget: budget,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	for _, key := range keys {
		if err := p.WaitReady(tb.Context(), key, 1); err != nil {
			tb.Fatal(err)
		}
	}
	return p
}

func hosts(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("host-%04d.example.com:443", i)
	}
	return all
}

func TestAHitAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates")
	}
	keys := hosts(100)
	for _, budget := range []int{300, 100} { // with the replacement of what is lent, and without
		p := warm(t, keys, budget)
		ctx := t.Context()
		id := func() poolkit.ID {
			l, err := p.Acquire(ctx, keys[7])
			if err != nil {
				t.Fatal(err)
			}
			defer l.Release()
			return l.ID()
		}()
		i := 0
		for name, hit := range map[string]func(){
			"Acquire":    func() { l, _ := p.Acquire(ctx, keys[i%100]); l.Release() },
			"TryAcquire": func() { l, _ := p.TryAcquire(keys[i%100]); l.Release() },
			"AcquireID":  func() { l, _ := p.AcquireID(ctx, keys[7], id); l.Release() },
		} {
			for ; i < 300; i++ {
				hit()
			}
			if n := testing.AllocsPerRun(1000, func() { hit(); i++ }); n != 0 {
				t.Errorf("budget %d: %v allocations for %s and Release, want none", budget, n, name)
			}
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		p, err := poolkit.New(plain(1))
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		ctx := b.Context()
		_ = p.WaitReady(ctx, 1)
		b.ReportAllocs()
		for b.Loop() {
			l, _ := p.Acquire(ctx)
			l.Release()
		}
	})
	for _, n := range []int{1, 100, 10_000} {
		keys := hosts(n)
		// Some keys are used much more often than others.
		turns := make([]string, 1<<14)
		z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, uint64(n-1))
		for i := range turns {
			turns[i] = keys[z.Uint64()]
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			p := warm(b, keys, 3*n)
			ctx := b.Context()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l, _ := p.Acquire(ctx, turns[i%len(turns)])
				l.Release()
			}
		})
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		p, err := poolkit.New(plain(16))
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		ctx := b.Context()
		_ = p.WaitReady(ctx, 16)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l, _ := p.Acquire(ctx)
				l.Release()
			}
		})
	})
	b.Run("keys=100", func(b *testing.B) {
		keys := hosts(100)
		p := warm(b, keys, 3000)
		ctx := b.Context()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(100); pb.Next(); i++ {
				l, _ := p.Acquire(ctx, keys[i%100])
				l.Release()
			}
		})
	})
}

// BenchmarkEviction is what a key costs that has to take its member from another.
func BenchmarkEviction(b *testing.B) {
	for _, budget := range []int{200, 10_000} {
		b.Run(fmt.Sprintf("budget=%d", budget), func(b *testing.B) {
			keys := hosts(2 * budget)
			p := warm(b, keys[:budget], budget)
			ctx := b.Context()
			b.ReportAllocs()
			for i := budget; b.Loop(); i++ {
				l, err := p.Acquire(ctx, keys[i%len(keys)])
				if err != nil {
					b.Fatal(err)
				}
				l.Release()
			}
		})
	}
}
