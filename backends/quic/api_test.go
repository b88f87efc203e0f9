package quic

import (
	"testing"
	"time"
)

func TestWaitersOfOneBubbleLeaveNothingForTheNext(t *testing.T) {
	for range 3 {
		inWorld(t, func(w *world) {
			w.client(1, 1)
			if _, s, err := w.server(1).IncomingGet(time.Minute); err != nil { // waits
				t.Fatal(err)
			} else {
				s.Close()
			}
		})
	}
}
