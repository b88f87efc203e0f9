package poolkit

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/sizing"
)

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n, shut atomic.Int32
		p, err := New(Config[*int]{
			Dialer: DialerFunc[*int](func(ctx context.Context, shard int) (ID, *int, error) {
				time.Sleep(10 * time.Millisecond)
				n.Add(1)
				return RandomID(), new(int), nil
			}),
			Shut:        func(*int) error { shut.Add(1); return nil },
			MinCapacity: 10, MaxCapacity: 10, Sizing: sizing.Fixed(10),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.WaitReady(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		l, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		t.Logf("%+v", p.Stats())
		l.Release()
		time.Sleep(5 * time.Second)
		t.Logf("%+v", p.Stats())
		p.Flush()
		time.Sleep(5 * time.Second)
		t.Logf("%+v", p.Stats())
		p.Close()
		t.Logf("%+v n=%d shut=%d", p.Stats(), n.Load(), shut.Load())
	})
}

func BenchmarkAcquireRelease(b *testing.B) {
	p, _ := New(Config[*int]{
		Dialer: DialerFunc[*int](func(ctx context.Context, shard int) (ID, *int, error) { return RandomID(), new(int), nil }),
		Shut:   func(*int) error { return nil }, MinCapacity: 64, MaxCapacity: 64, Sizing: sizing.Fixed(64),
	})
	defer p.Close()
	p.WaitReady(b.Context(), 64)
	b.ReportAllocs()
	for b.Loop() {
		l, _ := p.Acquire(b.Context())
		l.Release()
	}
}
