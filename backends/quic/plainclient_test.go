package quic

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// These are about old clients on quic-go alone; see plainPeer.

// plainClient starts an old client that keeps so many streams on one connection.
func (w *world) plainClient(n int) *plainClient {
	w.Helper()
	return newPlainClient(w.T, w.Socket(clientHost), w.Socket(serverHost).LocalAddr(), w.tls, n)
}

func TestAnOldClientAndAServerFindEveryStreamByItsID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(128)
		old := w.plainClient(128)
		w.full(128, server)
		s, err := server.OutgoingGet("00000000", 0)
		if err != nil {
			t.Fatal(err)
		}
		_, c := old.take("00000000")
		usable(t, c, s)
		for range 60 {
			id, s, err := server.IncomingGet(time.Second)
			if err != nil {
				t.Fatal(err)
			}
			_, c := old.take(id)
			usable(t, c, s)
			id, c = old.take("")
			if s, err = server.OutgoingGet(id, time.Second); err != nil {
				t.Fatal(err)
			}
			usable(t, s, c)
		}
	})
}

func TestAThousandCyclesOfAnOldClientThatOnlyClosesFitOn128Places(t *testing.T) {
	for name, end := range map[string]func(c plainStream, s net.Conn){
		"we close first":    func(c plainStream, s net.Conn) { s.Close(); time.Sleep(rtt); c.Close() },
		"it closes first":   func(c plainStream, s net.Conn) { c.Close(); time.Sleep(rtt); s.Close() },
		"at the same time":  func(c plainStream, s net.Conn) { c.Close(); s.Close() },
		"both have written": func(c plainStream, s net.Conn) { sendBoth(c, s); c.Close(); s.Close() },
		"we read to the end": func(c plainStream, s net.Conn) {
			sendBoth(c, s)
			c.Close()
			_, _ = io.ReadAll(s)
			s.Close()
		},
		"we abort": func(c plainStream, s net.Conn) { sendBoth(c, s); c.Close(); abort(s.(*StreamConn)) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				server := w.server(128)
				old := w.plainClient(128)
				begun := time.Now()
				for range 1000 {
					id, s, err := server.IncomingGet(10 * time.Second)
					if err != nil {
						t.Fatal(err)
					}
					_, c := old.take(id)
					end(c, s)
					old.open() // fails when no place comes back
				}
				t.Logf("%v", time.Since(begun))
				time.Sleep(time.Minute)
				synctest.Wait()
				settled(t, 128, server)
			})
		})
	}
}

// sendBoth writes from both ends what may stay unread.
func sendBoth(c, s net.Conn) {
	_, _ = c.Write([]byte("perhaps unread"))
	_, _ = s.Write([]byte("perhaps unread"))
}

func TestAnOldClientTakesNoProbesAndIsNotSuspected(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.server(20)
		old := w.plainClient(20)
		before := w.Sent(serverHost)
		time.Sleep(time.Hour)
		synctest.Wait()
		if sent := w.Sent(serverHost) - before; sent > 2*3600/10+10 {
			t.Errorf("%d packets in an idle hour", sent)
		}
		w.Cut(clientHost, true)
		time.Sleep(giveUpAfter + 5*beat) // a peer that takes probes would be given up
		w.Cut(clientHost, false)
		time.Sleep(time.Minute)
		synctest.Wait()
		settled(t, 20, server)
		id, s, err := server.IncomingGet(0)
		if err != nil {
			t.Fatal(err)
		}
		_, c := old.take(id)
		usable(t, c, s)
		begun := time.Now()
		w.Cut(clientHost, true)
		_, err = s.Read(make([]byte, 1))
		t.Logf("given up after %v: %v", time.Since(begun), err)
		if took := time.Since(begun); took > idleTimeout+defaultKeepAlive {
			t.Errorf("given up after %v", took)
		}
		synctest.Wait()
		if n := server.Active(); n != 0 {
			t.Errorf("%d idle streams of a client that is gone", n)
		}
	})
}

func TestOldPeersOnRealSockets(t *testing.T) {
	conf := testCertificate(t)
	socket := func() net.PacketConn {
		s, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}

	listening := socket()
	old := newPlainServer(t, listening, conf, 1000)
	client := NewClientPool(20, 20, time.Second, time.Second, 0, "0", "localhost",
		func() (string, error) { return listening.LocalAddr().String(), nil })
	client.ClientManager()
	t.Cleanup(client.Close)
	plainCycles(t, client, old, 4, 300, func(c *StreamConn, s plainStream) {
		usable(t, c, s)
		c.Close()
		readToEnd(t, s, "")
		s.Close()
	})
	eventuallySettled(t, 20, client)

	addr := freeAddr(t)
	server := NewServerPool(128, "", conf, addr, 0)
	server.ServerManager()
	t.Cleanup(server.Close)
	udpAddr, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	peer := newPlainClient(t, socket(), udpAddr, conf, 64) // so that opening need not wait for credit
	for range 300 {
		id, s, err := server.IncomingGet(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, c := peer.take(id)
		usable(t, c, s)
		c.Close()
		s.Close()
		peer.open()
	}
	eventuallySettled(t, 64, server)
}
