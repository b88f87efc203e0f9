package quic

import (
	"testing"
	"time"
)

// The times here are exact: they are counted from the client's first packet, on a
// path whose round trip takes 50 ms and which loses nothing.

func TestAColdPoolOf128IsFullAfterTwoRoundTrips(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(128)
		begun := time.Now()
		client := w.client(128, 128)
		w.full(128, client)
		took := time.Since(begun)
		w.Logf("full after %v: %.2f round trips", took, took.Seconds()/rtt.Seconds())
		if took != 2*rtt {
			t.Errorf("full after %v, want %v", took, 2*rtt)
		}
		w.full(128, server)
	})
}
