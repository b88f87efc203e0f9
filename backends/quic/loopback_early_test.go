//go:build !race

// In quic-go v0.65.0 OpenStream reads a field that the end of the handshake writes
// (streams_map.go, lines 70 and 338), so a stream that is opened at that moment is a
// data race, of no consequence.

package quic

import "testing"

func TestOnRealSocketsAServerThatIsRestartedTakesEarlyData(t *testing.T) {
	for _, c := range newLoopback(t, true).restarts(t) {
		if !c.Conn().conn.Conn.ConnectionState().Used0RTT {
			t.Error("a connection began without")
		}
	}
}
