package poolkit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// plain returns a full pool of n members, with the IDs from 1 to n.
func plain(tb testing.TB, n, most int) *poolkit.Pool[*int] {
	tb.Helper()
	return fill(tb, n, most, func(*poolkit.Config[*int]) {})
}

// named is a plain pool whose members have peers.
func named(tb testing.TB, n, most int, peer func(*int) string) *poolkit.Pool[*int] {
	tb.Helper()
	return fill(tb, n, most, func(cfg *poolkit.Config[*int]) { cfg.Peer = peer })
}

func fill(tb testing.TB, n, most int, set func(*poolkit.Config[*int])) *poolkit.Pool[*int] {
	tb.Helper()
	var made atomic.Uint32
	cfg := poolkit.Config[*int]{
		Dialer: poolkit.DialerFunc[*int](func(context.Context, int) (poolkit.ID, *int, error) {
			return plainID(made.Add(1)), new(int), nil
		}),
		Shut:        func(*int) error { return nil },
		MinCapacity: n, MaxCapacity: n, Sizing: sizing.Fixed(n),
		Places: most, MaxShards: 1,
	}
	set(&cfg)
	p, err := poolkit.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	if err := p.WaitReady(tb.Context(), 0); err != nil {
		tb.Fatal(err)
	}
	return p
}

func plainID(n uint32) (id poolkit.ID) {
	binary.BigEndian.PutUint32(id[:], n)
	return id
}

func TestAHitAllocatesNothing(t *testing.T) {
	if poolkit.UnderRace {
		t.Skip("the race detector allocates")
	}
	p := plain(t, 64, 65)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		l, _ := p.Acquire(ctx)
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations for Acquire and Release, want none", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		l, _ := p.AcquireID(ctx, plainID(7))
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations for AcquireID and Release, want none", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		l, _ := p.TryAcquire()
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations for TryAcquire and Release, want none", n)
	}
}

// kept is a plain pool whose members are kept up.
func kept(tb testing.TB, n, most int) *poolkit.Pool[*int] {
	tb.Helper()
	return fill(tb, n, most, func(cfg *poolkit.Config[*int]) {
		cfg.MaxAge, cfg.MaxIdle, cfg.MaxUses = time.Hour, time.Minute, math.MaxInt
		cfg.Check = func(context.Context, *int) error { return nil }
	})
}

func TestAHitOnAMemberThatIsKeptUpAllocatesNothing(t *testing.T) {
	if poolkit.UnderRace {
		t.Skip("the race detector allocates")
	}
	p := kept(t, 64, 65)
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		l, _ := p.Acquire(ctx)
		l.Release()
	}); n != 0 {
		t.Errorf("%v allocations for Acquire and Release, want none", n)
	}
}

func TestAHitOnAPeerAllocatesNothing(t *testing.T) {
	if poolkit.UnderRace {
		t.Skip("the race detector allocates")
	}
	p := named(t, 64, 65, func(*int) string { return "peer" })
	ctx := t.Context()
	for name, hit := range map[string]func(){
		"Acquire":     func() { l, _ := p.Acquire(ctx); l.Release() },
		"AcquireFrom": func() { l, _ := p.AcquireFrom(ctx, "peer"); l.Release() },
		"TryAcquireFrom": func() {
			l, ok := p.TryAcquireFrom("peer")
			if !ok {
				t.Fatal("no hit")
			}
			l.Release()
		},
	} {
		if n := testing.AllocsPerRun(1000, hit); n != 0 {
			t.Errorf("%v allocations for %s and Release, want none", n, name)
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	p := plain(b, 64, 65)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		l, _ := p.Acquire(ctx)
		l.Release()
	}
}

func BenchmarkAcquireReleaseKeptUp(b *testing.B) {
	p := kept(b, 64, 65)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		l, _ := p.Acquire(ctx)
		l.Release()
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	p := plain(b, 64, 128)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l, _ := p.Acquire(ctx)
			l.Release()
		}
	})
}

func BenchmarkAcquireIDRelease(b *testing.B) {
	const n = 8192
	p := plain(b, n, n+1)
	ctx := b.Context()
	b.ReportAllocs()
	for i := uint32(0); b.Loop(); i++ {
		l, _ := p.AcquireID(ctx, plainID(i*2654435761%n+1))
		l.Release()
	}
}

// BenchmarkAcquireFromRelease has the member of one peer behind those of others.
func BenchmarkAcquireFromRelease(b *testing.B) {
	const n, peers = 8192, 64
	names := make([]string, peers)
	for i := range names {
		names[i] = fmt.Sprintf("192.0.2.%d:4433", i)
	}
	var made atomic.Uint32
	p := named(b, n, n+1, func(*int) string { return names[made.Add(1)*peers/(n+2)] })
	ctx := b.Context()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l, err := p.AcquireFrom(ctx, names[i%peers])
		if err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
}

// BenchmarkHandOff has one member for two goroutines: each turn is a wait.
func BenchmarkHandOff(b *testing.B) {
	p := plain(b, 1, 1)
	ctx := b.Context()
	b.ReportAllocs()
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l, _ := p.Acquire(ctx)
			l.Release()
		}
	})
}

// BenchmarkAThousandAreToldTheCause is how long it takes from when a dial knows that it is
// of no use until the last of a thousand callers who wait has heard it.
func BenchmarkAThousandAreToldTheCause(b *testing.B) {
	errCause := errors.New("cause")
	for range b.N {
		b.StopTimer()
		known := make(chan struct{}) // closed below
		p, err := poolkit.New(poolkit.Config[*int]{
			Dialer: poolkit.DialerFunc[*int](func(context.Context, int) (id poolkit.ID, _ *int, _ error) {
				<-known
				return id, nil, poolkit.Permanent(errCause)
			}),
			Shut:        func(*int) error { return nil },
			MinCapacity: 1, MaxCapacity: 1, Sizing: sizing.Fixed(1),
		})
		if err != nil {
			b.Fatal(err)
		}
		var waiters sync.WaitGroup
		for range 1000 {
			waiters.Go(func() {
				if _, err := p.Acquire(b.Context()); !errors.Is(err, errCause) {
					b.Error(err)
				}
			})
		}
		for p.Stats().Waiting < 1000 {
			runtime.Gosched()
		}
		b.StartTimer()
		close(known)
		waiters.Wait()
		b.StopTimer()
		p.Close()
	}
}
