package quic

import (
	"testing"
	"time"
)

// The server's application holds on to streams of connections that are long gone.
func TestStreamsHeldFromLostConnectionsTakeNoPlacesOfNewOnes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(places)
		for i := range resting + 10 {
			client := w.client(places, places)
			for range places {
				if _, _, err := server.IncomingGet(time.Second); err != nil {
					t.Fatalf("connection %d: %v: %+v", i, err, stats(server))
				}
			}
			client.Close()
			time.Sleep(time.Second)
		}
		if n := stats(server).Refused; n != 0 {
			t.Errorf("%d streams were refused", n)
		}
	})
}
