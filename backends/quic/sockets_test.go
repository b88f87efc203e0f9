package quic

import (
	"net"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/quic/internal/simtest"
)

// roaming starts a server, and a client whose network can change.
func (w *world) roaming(n int) (client, server *native, sockets chan<- net.PacketConn) {
	w.Helper()
	next := make(chan net.PacketConn)
	server = w.listen(ListenConfig{})
	client = w.dial(DialConfig{MinCapacity: n, MaxCapacity: n, Sockets: next})
	ready(w.T, n, client, server)
	return client, server, next
}

func TestAClientWhoseNetworkChangesKeepsItsStreams(t *testing.T) {
	for name, gone := range map[string]bool{"the old network still works": false, "the old network is gone": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server, sockets := w.roaming(200) // on two connections
				time.Sleep(time.Second)
				c, s := lend(t, client, server)
				time.Sleep(time.Second)
				handshakes := w.handshakes.Load()
				w.Cut(clientHost, gone)
				sockets <- w.Socket(thirdHost)
				begun := time.Now()
				usable(t, c.Conn(), s.Conn())
				if took := time.Since(begun); gone && took > 10*rtt {
					t.Errorf("the streams worked again after %v", took)
				}
				time.Sleep(time.Second)
				w.Cut(clientHost, true)
				steadily(t, 30*time.Second, client, server)
				usable(t, c.Conn(), s.Conn())
				if n := w.handshakes.Load() - handshakes; n != 0 {
					t.Errorf("%d new connections", n)
				}
				if s := client.Stats(); s.Waits != 0 || s.Failed != 0 || s.Lost != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestAConnectionThatCannotMoveIsRenewed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server, sockets := w.roaming(20)
		time.Sleep(time.Second)
		w.Cut(thirdHost, true) // the new network does not work yet
		sockets <- w.Socket(thirdHost)
		time.Sleep(handshakeTimeout - time.Second)
		steadily(t, 10*time.Second, client, server) // on the old one
		w.Cut(thirdHost, false)
		w.Cut(clientHost, true)
		time.Sleep(2 * giveUpAfter)
		steadily(t, 30*time.Second, client, server)
	})
}

func TestAPoolOpensASocketOfItsOwnWhenTheNetworkChanges(t *testing.T) {
	next := make(chan net.PacketConn)
	addr, conf := freeAddr(t), testCertificate(t)
	server, err := Listen(ListenConfig{Addr: addr, TLS: conf})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := Dial(DialConfig{Addr: addr, TLS: simtest.Trust(conf), MinCapacity: 20, MaxCapacity: 20, Sockets: next})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ready(t, 20, client, server)
	c, s := lend(t, client, server)
	for range 3 {
		next <- nil
		usable(t, c.Conn(), s.Conn())
	}
	close(next)
	usable(t, c.Conn(), s.Conn())
	c.Release()
	s.Release()
}

func TestAConnectionThatCouldNotBeMovedIsMovedWhenTheNewNetworkWorks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server, sockets := w.roaming(20)
		time.Sleep(time.Second)
		w.Cut(thirdHost, true)
		sockets <- w.Socket(thirdHost)
		time.Sleep(30 * time.Second)
		w.Cut(thirdHost, false)
		time.Sleep(time.Minute)
		before := w.Sent(clientHost)
		steadily(t, time.Minute, client, server)
		if n := w.Sent(clientHost) - before; n > 0 {
			t.Errorf("%d packets leave by the old network, a minute after the new one has come up", n)
		}
	})
}
