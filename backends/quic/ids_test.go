package quic

import (
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
)

func TestIDsAre8LowerCaseHexDigitsAndUniqueAmong8192(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(8192)
		form := regexp.MustCompile(`^[0-9a-f]{8}$`)
		seen := make(map[string]bool)
		for range 8192 {
			id, s, err := server.IncomingGet(time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if !form.MatchString(id) || s.(*StreamConn).ID().String() != id {
				t.Fatalf("the ID %q, the stream's ID %v", id, s.(*StreamConn).ID())
			}
			if seen[id] {
				t.Fatalf("the ID %s twice", id)
			}
			seen[id] = true
			if _, err := client.OutgoingGet(id, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if !seen["00000000"] {
			t.Error("none is 00000000")
		}
	})
}

func TestTheFirstStreamOfAServerPoolsLifeAndNoOtherIs00000000(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(150)
		clients := []*Pool{w.clientAt(clientHost, 150, 150), w.clientAt(thirdHost, 150, 150)}
		first := 0
		check := func(id string) {
			if id == "00000000" {
				first++
			}
		}
		for range 5 {
			w.full(300, server)
			for range 300 {
				id, s, err := server.IncomingGet(time.Second)
				if err != nil {
					t.Fatal(err)
				}
				check(id)
				s.Close()
			}
			clients[0].Flush()
			server.Flush()
			time.Sleep(5 * time.Second)
		}
		clients[0].Close()
		clients[1].Close()
		time.Sleep(rtt)
		if n := server.Active(); n != 0 {
			t.Fatalf("%d idle streams without a client", n)
		}
		clients[0] = w.clientAt(clientHost, 150, 150) // a new client is no new life
		w.full(150, server)
		for range 150 {
			id, _, err := server.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			check(id)
		}
		if first != 1 {
			t.Errorf("00000000 was given %d times", first)
		}
	})
}

func TestBothEndsFindTheFirstStreamByItsID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		c, err := client.OutgoingGet("00000000", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		s, err := server.OutgoingGet("00000000", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		usable(t, c, s)
	})
}

func TestBothEndsTakeAnyInTheSameInstantAndNeverTheSame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		type end struct {
			id string
			s  interface{ Close() error }
		}
		for range 200 {
			var wg sync.WaitGroup
			got := make(map[*Pool]end)
			var mu sync.Mutex
			for _, p := range []*Pool{client, server} {
				wg.Go(func() {
					id, s, err := p.IncomingGet(time.Second)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					got[p] = end{id, s}
					mu.Unlock()
				})
			}
			wg.Wait()
			if t.Failed() {
				return
			}
			if got[client].id == got[server].id {
				t.Fatalf("both took %s", got[client].id)
			}
			// Each asks the other end for what it took.
			other, err := server.OutgoingGet(got[client].id, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			same, err := client.OutgoingGet(got[server].id, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []interface{ Close() error }{other, same, got[client].s, got[server].s} {
				s.Close()
			}
			time.Sleep(2 * rtt)
		}
		time.Sleep(10 * time.Second)
		settled(t, 20, client, server)
	})
}

func TestAnIDNamesOneStreamOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.pair(20)
		c, s := take(t, client, server)
		id := c.ID().String()
		for _, p := range []*Pool{client, server} {
			_, err := p.OutgoingGet(id, time.Second) // held
			compattest.IsTimeout(t, err)
		}
		c.Close()
		s.Close()
		for _, p := range []*Pool{client, server} {
			_, err := p.OutgoingGet(id, time.Second) // ended
			compattest.IsTimeout(t, err)
		}
		if c.ID().String() != id || s.ID().String() != id {
			t.Errorf("after Close the stream %s is called %v and %v", id, c.ID(), s.ID())
		}
	})
}

// Users build their control channel on the first stream, and hold it when the server is
// started anew. The first stream of the new one must not be refused for that.
func TestAServerThatIsStartedAnewGivesTheFirstIDAgain(t *testing.T) {
	for how, end := range map[string]func(*world, *Pool){
		"it closed":   func(_ *world, server *Pool) { server.Close() },
		"it vanished": func(w *world, _ *Pool) { w.Cut(serverHost, true) },
	} {
		inWorld(t, func(t *testing.T, w *world) {
			server, client := w.server(20), w.client(20, 20)
			w.full(20, client, server)
			held, err := client.OutgoingGet("00000000", time.Second)
			if err != nil {
				t.Fatal(err)
			}
			end(w, server)
			time.Sleep(7 * time.Second)
			server.Close()
			w.Cut(serverHost, false)
			again := w.server(20)
			c, err := client.OutgoingGet("00000000", 20*time.Second)
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			s, err := again.OutgoingGet("00000000", time.Second)
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			usable(t, c, s)
			held.Close()
			usable(t, c, s)
		})
	}
}
