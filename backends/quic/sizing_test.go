package quic

import (
	"strings"
	"testing"
	"time"
)

// What the documents of the compatibility API say of Capacity and Interval.
func TestCapacityAndIntervalFollowDemandWithinTheirBounds(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server(20)
		client := w.client(2, 20) // rounds every 100 ms to 1 s
		w.full(2, client)
		expect := func(when string, capacity int, interval time.Duration) {
			t.Helper()
			s := stats(client)
			if client.Capacity() != capacity || client.Interval() != interval {
				t.Errorf("%s: capacity %d, %q, interval %v; want %d and %v", when, client.Capacity(), s.Reason, client.Interval(), capacity, interval)
			}
		}
		time.Sleep(10 * time.Second)
		expect("in quiet", 2, time.Second)
		for range 2 {
			l, err := client.running().Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			l.Discard()
		}
		stats(client) // once both takes have been seen
		time.Sleep(rtt / 4)
		if c := stats(client).Capacity; c < 2 || c > 20 || client.Interval() != 100*time.Millisecond {
			t.Errorf("after two takes: capacity %d, interval %v; want the shortest interval", c, client.Interval())
		}
		for range 100 {
			go func() {
				if l, err := client.running().Acquire(t.Context()); err == nil {
					l.Discard()
				}
			}()
		}
		time.Sleep(rtt / 4)
		expect("after a hundred takes", 20, 100*time.Millisecond)
		if why := stats(client).Reason.String(); !strings.HasSuffix(why, ", but 20 is the most") {
			t.Errorf("the reason is %q", why)
		}
		time.Sleep(31 * time.Second)
		if c := stats(client).Capacity; c != 2 {
			t.Errorf("after 31 s without a take: capacity %d, want 2", c)
		}
		time.Sleep(10 * time.Second)
		expect("in quiet again", 2, time.Second)
		w.full(2, client)
	})
}
