package quic

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// both is the address of two servers.
func (w *world) both() string { return w.Addr(serverHost) + ", " + w.Addr(thirdHost) }

// twoServers starts a server on each of two hosts, and a client with 40 streams of both.
func (w *world) twoServers() (client, one, other *native) {
	w.Helper()
	one = w.listen(ListenConfig{})
	other = w.listen(ListenConfig{PacketConn: w.Socket(thirdHost)})
	client = w.dial(DialConfig{Addr: w.both(), MinCapacity: 40, MaxCapacity: 40})
	ready(w.T, 40, client)
	return client, one, other
}

// idle checks how many streams are idle, in each of several pools.
func idle(t *testing.T, when string, want map[*native]int) {
	t.Helper()
	synctest.Wait()
	for p, n := range want {
		if s := p.Stats(); s.Idle != n {
			t.Errorf("%s: want %d idle: %+v", when, n, s)
		}
	}
}

// echoes makes a server send back what it reads on any stream, until it closes.
func echoes(server *native) {
	go func() {
		for {
			l, err := server.Acquire(context.Background())
			if err != nil {
				return
			}
			go func() {
				var b [1]byte
				if _, err := l.Conn().Read(b[:]); err == nil {
					_, _ = l.Conn().Write(b[:])
				}
				l.Release()
			}()
		}
	}()
}

func TestStreamsAreSpreadEvenlyOverServers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, one, other := w.twoServers()
		time.Sleep(time.Second)
		idle(t, "at first", map[*native]int{client: 40, one: 20, other: 20})
	})
}

func TestAServerThatFailsGivesItsShareToTheOthersUntilItIsBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, one, other := w.twoServers()
		time.Sleep(time.Minute)
		other.Close()
		time.Sleep(time.Second)
		idle(t, "after one server has closed", map[*native]int{client: 40, one: 40})
		time.Sleep(time.Hour)
		idle(t, "an hour later", map[*native]int{client: 40, one: 40})
		other = w.listen(ListenConfig{PacketConn: w.Socket(thirdHost)})
		before := client.Stats()
		time.Sleep(2 * time.Minute)
		time.Sleep(2 * (fadeSteps*fadeStep + fadeHold + time.Second))
		idle(t, "after it is back", map[*native]int{client: 40, one: 20, other: 20})
		if s := client.Stats(); s.Failed != before.Failed {
			t.Errorf("%d failures when a server returned", s.Failed-before.Failed)
		}
	})
}

func TestNoAcquireWaitsLongWhenOneOfTwoServersGoesDark(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, one, _ := w.twoServers()
		time.Sleep(time.Minute)
		w.Cut(thirdHost, true)
		time.Sleep(6*time.Second + 4*rtt)
		idle(t, "once it is suspected", map[*native]int{client: 40, one: 40})
		for range 200 { // nothing of the dark server is handed out
			c, s := lend(t, client, one)
			c.Release()
			s.Release()
			time.Sleep(2 * rtt)
		}
		w.Cut(thirdHost, false)
		time.Sleep(3 * time.Minute)
		if s := client.Stats(); s.Idle != 40 || s.Waits != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// slowly returns how many of 200 streams are those of the third host, when that is
// harmed in a certain way.
func slowly(t *testing.T, loss float64, delay time.Duration) (harmed int) {
	inWorld(t, func(t *testing.T, w *world) {
		client, one, other := w.twoServers()
		w.Harm(thirdHost, loss, delay)
		echoes(one)
		echoes(other)
		for i := range 400 {
			time.Sleep(100 * time.Millisecond)
			l, err := client.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if i >= 200 && l.Conn().RemoteAddr().String() == w.Addr(thirdHost) {
				harmed++
			}
			go func() {
				_, _ = l.Conn().Write([]byte{1})
				_, _ = l.Conn().Read(make([]byte, 1))
				l.Release()
			}()
		}
		t.Logf("%d of 200 streams were those of the harmed host", harmed)
	})
	return harmed
}

func TestASlowConnectionGetsFewerStreams(t *testing.T) {
	if n := slowly(t, 0, 5*rtt); n > 50 {
		t.Errorf("%d of 200", n)
	}
}

func TestALossyConnectionGetsFewerStreams(t *testing.T) {
	if n := slowly(t, 0.3, 0); n > 75 {
		t.Errorf("%d of 200", n)
	}
}

func TestAConnectionThatIsAsGoodAsTheOtherGetsItsShare(t *testing.T) {
	if n := slowly(t, 0, rtt/10); n < 50 || n > 150 {
		t.Errorf("%d of 200", n)
	}
}
