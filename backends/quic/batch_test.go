package quic

import "testing"

func TestFillingAConnectionTakesFewPackets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server(128)
		w.full(128, w.client(128, 128))
		there, back := w.Sent(clientHost), w.Sent(serverHost)
		t.Logf("128 streams took %d packets there and %d back", there, back)
		if there > 64 || back > 64 { // half of what they take one by one
			t.Errorf("128 streams took %d packets there and %d back", there, back)
		}
	})
}
