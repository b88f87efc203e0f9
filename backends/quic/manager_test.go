package quic

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
)

func TestThePoolsKeepToTheCompatibilityAPI(t *testing.T) {
	compattest.Run(t, func(t *testing.T) compattest.Backend {
		w := newWorld(t, hosts-clientHost)
		var asked atomic.Int64
		return compattest.Backend{
			Name:  "quic",
			Delay: 2 * rtt,
			Server: func(maxCap int) compattest.Pool {
				return newServerPool(maxCap, "", w.tls, "ignored", w.Socket(serverHost))
			},
			Client: func(minCap, maxCap int, minIvl, maxIvl time.Duration) compattest.Pool {
				return newClientPool(minCap, maxCap, minIvl, maxIvl, 0, "0", "", func() (string, error) {
					asked.Add(1)
					return w.Addr(serverHost), nil
				}, w.Socket(clientHost))
			},
			Lost: func() compattest.Pool {
				return newClientPool(1, 1, 0, 0, 0, "0", "", func() (string, error) { return w.Addr(thirdHost), nil }, w.Socket(clientHost))
			},
			Attempts: func() int { return int(asked.Load()) + int(w.Sent(clientHost)) },
		}
	})
}

func TestCloseMayBeCalledByManyAtAnyTime(t *testing.T) {
	(*Pool)(nil).Close()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 40 {
			server, client := w.server(128), w.client(128, 128)
			time.Sleep(time.Duration(i) * 5 * time.Millisecond) // while it opens, fills, and after
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(client.Close)
				wg.Go(server.Close)
			}
			wg.Wait()
			client.Close()
			server.Close()
			if client.Active() != 0 || server.Active() != 0 {
				t.Fatalf("%d and %d idle streams after Close", client.Active(), server.Active())
			}
		}
	})
}

func TestCloseTellsThePeer(t *testing.T) {
	for _, closes := range []string{"client", "server"} {
		t.Run("the "+closes+" closes", func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, b := w.pair(500)
				s, other := take(t, a, b)
				if closes == "server" {
					a, b = b, a
					s, other = other, s
				}
				time.Sleep(time.Second)
				a.Close()
				time.Sleep(rtt/2 + time.Millisecond) // the news travels
				if got := stats(b); got.Idle != 0 || got.OnLoan != 1 {
					t.Errorf("the peer has %+v", got)
				}
				var said *quicgo.ApplicationError
				if err := context.Cause(other.conn.Context()); !errors.As(err, &said) || !said.Remote || said.ErrorCode != codeDone {
					t.Errorf("the peer was told %v", err)
				}
				if _, err := other.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("a stream in use at the peer: %v", err)
				}
				if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("a stream in use: %v", err)
				}
			})
		})
	}
}

func TestCloseFreesThePort(t *testing.T) {
	addr := freeAddr(t)
	conf := testCertificate(t)
	for range 10 {
		server := NewServerPool(300, "", conf, addr, 0)
		server.ServerManager()
		client := NewClientPool(300, 300, 0, 0, 0, "0", "", func() (string, error) { return addr, nil })
		client.ClientManager()
		waitIdle(t, client, 300)
		server.Close()
		sock, err := net.ListenPacket("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		sock.Close()
		client.Close()
	}
}

func TestFlushOnOneSideLeavesBothUsable(t *testing.T) {
	for _, side := range []string{"client", "server", "both"} {
		t.Run(side, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.pair(200)
				c, s := take(t, client, server)
				time.Sleep(time.Second)
				if side != "server" {
					client.Flush()
				}
				if side != "client" {
					server.Flush()
				}
				time.Sleep(time.Second)
				w.full(200, client, server)
				usable(t, c, s) // in use, so not touched
				for range 200 {
					a, b := take(t, client, server)
					usable(t, a, b)
					a.Close()
					b.Close()
				}
				c.Close()
				s.Close()
				time.Sleep(10 * time.Second)
				settled(t, 200, client, server)
			})
		})
	}
}
