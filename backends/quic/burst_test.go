package quic

import "testing"

// Many streams that arrive at once arrive in another order at each end.
func TestBothEndsPickDifferentStreamsOfOneBurst(t *testing.T) {
	for range 20 {
		inWorld(t, func(t *testing.T, w *world) {
			client, server := w.natives(16)
			taken := make(map[string]bool)
			for range 8 {
				for _, p := range []*native{client, server} {
					l, ok := p.TryAcquire()
					if !ok {
						t.Fatal("no stream is ready")
					}
					if id := l.ID().String(); taken[id] {
						t.Fatalf("both took %s", id)
					} else {
						taken[id] = true
					}
				}
			}
		})
	}
}
