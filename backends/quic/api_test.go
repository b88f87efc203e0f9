package quic

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

func nowhere() (string, error) { return "", errors.New("nowhere") }

func TestAServerPoolWithoutAnAddressIsNil(t *testing.T) {
	p := NewServerPool(20, "", nil, "", time.Second)
	if p != nil {
		t.Fatal("got a pool")
	}
	if p.Ready() {
		t.Error("a nil pool is ready")
	}
	p.Close() // must not panic
}

func TestShardCountIsTheDocumentedOne(t *testing.T) {
	for maxCap, want := range map[int]int{
		-5: 1, 0: 1, 1: 1, 20: 1, 128: 1, 129: 2, 256: 2, 257: 3, 512: 4, 1024: 8,
		4096: 32, 4097: 33, 8192: 64, 8193: 64, 10000: 64,
	} {
		client := NewClientPool(1, maxCap, 0, 0, 0, "0", "", nowhere)
		server := NewServerPool(maxCap, "", nil, "127.0.0.1:0", 0)
		if got := client.ShardCount(); got != want {
			t.Errorf("a client pool of %d has %d shards, want %d", maxCap, got, want)
		}
		if got := server.ShardCount(); got != want {
			t.Errorf("a server pool of %d has %d shards, want %d", maxCap, got, want)
		}
		client.Close()
		server.Close()
	}
}

func TestBoundsAreOrderedAndDefaulted(t *testing.T) {
	for _, c := range []struct {
		minCap, maxCap   int
		minIvl, maxIvl   time.Duration
		capacity, shards int
		interval         time.Duration
	}{
		{5, 200, time.Second, time.Minute, 5, 2, time.Second},
		{200, 5, time.Minute, time.Second, 5, 2, time.Second},
		{0, 0, 0, 0, 1, 1, time.Second},
		{-3, 200, -1, time.Minute, 1, 2, time.Second},
		{10, -1, 5 * time.Second, -1, 1, 1, time.Second},
		{0, 10, 200 * time.Millisecond, 0, 1, 1, 200 * time.Millisecond},
	} {
		p := NewClientPool(c.minCap, c.maxCap, c.minIvl, c.maxIvl, 0, "0", "", nowhere)
		if p.Capacity() != c.capacity || p.ShardCount() != c.shards || p.Interval() != c.interval {
			t.Errorf("%+v: capacity %d, %d shards, interval %v", c, p.Capacity(), p.ShardCount(), p.Interval())
		}
		p.Close()
	}
}

func TestCapacityAndIntervalKeepToTheirBoundsAndGrowWithDemand(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server(20)
		p := w.client(2, 20) // every 100 ms to 1 s
		w.full(2, p)
		for range 100 {
			if c, i := p.Capacity(), p.Interval(); c < 2 || c > 20 || i < 100*time.Millisecond || i > time.Second {
				t.Fatalf("capacity %d, interval %v", c, i)
			}
			for range p.Active() {
				_, s, err := p.IncomingGet(time.Second)
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
			}
			time.Sleep(100 * time.Millisecond)
		}
		if c := p.Capacity(); c <= 2 {
			t.Errorf("all streams are always taken, and the capacity is still %d", c)
		}
		time.Sleep(time.Minute)
		if i := p.Interval(); i != time.Second {
			t.Errorf("after a quiet minute the interval is %v, want %v", i, time.Second)
		}
	})
}

func TestOnlyTheUserCountsErrors(t *testing.T) {
	p := NewClientPool(1, 1, 0, 0, 0, "0", "", nowhere)
	defer p.Close()
	p.ClientManager()
	if _, err := p.OutgoingGet("00000000", time.Second); err == nil {
		t.Error("got a stream from nowhere")
	}
	if n := p.ErrorCount(); n != 0 {
		t.Errorf("%d errors before any was added", n)
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(p.AddError)
	}
	wg.Wait()
	if n := p.ErrorCount(); n != 100 {
		t.Errorf("%d errors, want 100", n)
	}
	p.ResetError()
	if n := p.ErrorCount(); n != 0 {
		t.Errorf("%d errors after the reset", n)
	}
}

func TestActiveIsTheNumberOfIdleStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(10)
		time.Sleep(5 * time.Second)
		if client.Active() != 10 || server.Active() != 10 {
			t.Fatalf("%d and %d, want 10", client.Active(), server.Active())
		}
		c, s := take(t, client, server)
		if client.Active() != 9 && client.Active() != 10 {
			t.Errorf("client: %d", client.Active())
		}
		time.Sleep(time.Second)
		w.full(10, client, server) // what is taken is replaced
		c.Close()
		s.Close()
		time.Sleep(5 * time.Second)
		settled(t, 10, client, server)
	})
}

func TestAMalformedIDFailsAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(1)
		begun := time.Now()
		for _, id := range []string{"", "0", "0000000", "000000000", "0000000g", "0x000000", "00000000\n", " 0000000", "ＦＦ000000", "-1234567"} {
			for _, p := range []*Pool{client, server} {
				if s, err := p.OutgoingGet(id, time.Hour); err == nil || s != nil {
					t.Errorf("OutgoingGet(%q) returned %v, %v", id, s, err)
				}
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnUnknownIDFailsExactlyAtTheTimeout(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(3)
		for _, p := range []*Pool{client, server} {
			for _, timeout := range []time.Duration{-time.Second, 0, 1, time.Millisecond, 1234 * time.Millisecond, time.Hour} {
				begun := time.Now()
				s, err := p.OutgoingGet("fffffffe", timeout)
				if took := time.Since(begun); took != max(timeout, 0) {
					t.Errorf("a timeout of %v took %v", timeout, took)
				}
				if s != nil {
					t.Errorf("got %#v along with an error", s)
				}
				isTimeout(t, err)
			}
		}
		// One cannot tell in advance whether any stream is idle, so a vain wait for any
		// needs a pool that has none.
		empty := newServerPool(1, "", w.tls, "ignored", w.Socket(thirdHost))
		defer empty.Close()
		empty.ServerManager()
		begun := time.Now()
		id, s, err := empty.IncomingGet(1234 * time.Millisecond)
		if took := time.Since(begun); took != 1234*time.Millisecond || id != "" || s != nil {
			t.Errorf("after %v: %q, %#v", took, id, s)
		}
		isTimeout(t, err)
	})
}

func isTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v: has no Timeout()", err)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v: is not context.DeadlineExceeded", err)
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		t.Errorf("%v: says that something is closed", err)
	}
}

func TestAGetterThatFindsAnIdleStreamNeedsNoTime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(3)
		id, s, err := server.IncomingGet(0)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.OutgoingGet(id, -time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.(*StreamConn); !ok {
			t.Errorf("got a %T", c)
		}
		usable(t, c, s)
	})
}
