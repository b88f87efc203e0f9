package quic

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vistone/poolkit/poolkit"
)

func TestBothEndsAgreeOnWhatIsIdle(t *testing.T) {
	for _, n := range []int{20, 128, 256, 1024, 4096, 8192} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(n)
				time.Sleep(10 * time.Second)
				settled(t, n, client, server)
				if c, s := stats(client).Shards, stats(server).Shards; c != client.ShardCount() || s != c {
					t.Errorf("%d shards: the client has %d connections, the server %d", client.ShardCount(), c, s)
				}
			})
		})
	}
}

func TestEveryIdleStreamOfOneEndIsAnIdleStreamOfTheOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		joined := map[string]map[poolkit.ID]bool{"client": {}, "server": {}}
		hooks := func(end string) poolkit.Hooks {
			return poolkit.Hooks{Joined: func(id poolkit.ID, _ int) {
				mu.Lock()
				defer mu.Unlock()
				if joined[end][id] {
					t.Errorf("the %s has %v twice", end, id)
				}
				joined[end][id] = true
			}}
		}
		server := w.listen(ListenConfig{Hooks: hooks("server")})
		client := w.dial(DialConfig{MinCapacity: 1000, MaxCapacity: 1000, Hooks: hooks("client")})
		for _, p := range []*poolkit.Pool[*StreamConn]{client, server} {
			if err := p.WaitReady(t.Context(), 1000); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // hooks are called after the member has become idle
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(joined["client"], joined["server"]); diff != "" {
			t.Error(diff)
		}
	})
}

// On real sockets, since it is also the test that real sockets do.
func Test4096PairsCarryTheirOwnBytes(t *testing.T) {
	const n = 4096
	client, server := pair(t, n, n, 100*time.Millisecond)
	waitIdle(t, client, n)
	waitIdle(t, server, n)
	if c, s := client.running().Stats().Shards, server.running().Stats().Shards; c != 32 || s != 32 {
		t.Errorf("%d and %d connections, want 32", c, s)
	}
	work := make(chan uint32)
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for i := range work {
				checkPair(t, client, server, i)
			}
		})
	}
	for i := range uint32(n) {
		work <- i
	}
	close(work)
	workers.Wait()
}

// checkPair takes a pair and sends a number over it, each way.
func checkPair(t *testing.T, client, server *Pool, number uint32) {
	id, s, err := server.IncomingGet(10 * time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	defer s.Close()
	c, err := client.OutgoingGet(id, 10*time.Second)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for _, ends := range [][2]io.ReadWriter{{c, s}, {s, c}} {
		if err := binary.Write(ends[0], binary.BigEndian, number); err != nil {
			t.Error(err)
			return
		}
		var got uint32
		if err := binary.Read(ends[1], binary.BigEndian, &got); err != nil || got != number {
			t.Errorf("stream %s: sent %d, received %d, %v", id, number, got, err)
			return
		}
	}
}
