package quic

import (
	"errors"
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
	swapped := NewClientPool(200, 5, 0, 0, 0, "0", "", nowhere)
	defer swapped.Close()
	if got := swapped.ShardCount(); got != 2 {
		t.Errorf("a client pool of 5 to 200 whose bounds are swapped has %d shards, want 2", got)
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
