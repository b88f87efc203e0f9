package quic

import (
	"crypto/tls"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/internal/access"
	"github.com/vistone/poolkit/backends/internal/compat/compattest"
	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

func allowing(t *testing.T, list string) access.AllowList {
	t.Helper()
	allow, err := access.ParseAllowList(list)
	if err != nil {
		t.Fatal(err)
	}
	return allow
}

func udp(ip string) *net.UDPAddr { return &net.UDPAddr{IP: net.ParseIP(ip), Port: 4433} }

func TestAStrangerIsRefusedBeforeTheHandshake(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var handshakes atomic.Int32
		counted := w.tls.Clone()
		counted.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			handshakes.Add(1)
			return nil, nil
		}
		host, _, err := net.SplitHostPort(w.Addr(clientHost))
		if err != nil {
			t.Fatal(err)
		}
		server := newServerPool(5, "192.0.2.0/24, "+host, counted, "ignored", w.Socket(serverHost))
		server.ServerManager()
		w.Cleanup(server.Close)

		stranger := w.clientAt(thirdHost, 5, 5)
		begun := time.Now()
		_, _, err = stranger.IncomingGet(10 * time.Second)
		compattest.IsTimeout(t, err)
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("the stranger's getter failed after %v", took)
		}
		if n := handshakes.Load(); n != 0 {
			t.Errorf("%d handshakes with a stranger", n)
		}
		if failed := stats(stranger).Failed; failed > 30 {
			t.Errorf("the stranger dialled %d times in ten seconds", failed)
		}
		w.full(5, w.client(5, 5), server)
		if n := handshakes.Load(); n != 1 {
			t.Errorf("%d handshakes with the allowed client", n)
		}
	})
}

func TestANativeServerRefusesStrangersToo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{AllowedClients: "10.0.0.0/30"}) // both hosts
		client := w.dial(DialConfig{MinCapacity: 5, MaxCapacity: 5, TLS: simtest.Trust(w.tls)})
		if err := client.WaitReady(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if n := server.Stats().Idle; n != 5 {
			t.Errorf("%d idle streams", n)
		}
		if _, err := Listen(ListenConfig{AllowedClients: "10.0.0.0/30, ten", TLS: w.tls, PacketConn: w.Socket(thirdHost)}); err == nil ||
			!strings.Contains(err.Error(), `"ten"`) {
			t.Errorf("%v", err)
		}
	})
}

func TestABadAllowListFailsEveryGetterAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := newServerPool(5, "10.0.0.1, 10.0.0", w.tls, "ignored", w.Socket(serverHost))
		server.ServerManager()
		defer server.Close()
		begun := time.Now()
		for range 3 {
			_, _, err1 := server.IncomingGet(time.Hour)
			_, err2 := server.OutgoingGet("00000000", time.Hour)
			for _, err := range []error{err1, err2} {
				if err == nil || !strings.Contains(err.Error(), `"10.0.0" is neither an IP address nor a prefix`) {
					t.Errorf("%v", err)
				}
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}
