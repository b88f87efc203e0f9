package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/compat"
)

func TestManagersReturnAtOnceAndMayBeCalledAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		begun := time.Now()
		server, client := w.server(3), w.client(3, 3) // call the managers without go
		for range 3 {
			server.ServerManager()
			client.ClientManager()
			go server.ServerManager()
			go client.ClientManager()
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the managers took %v", took)
		}
		w.full(3, client, server)
		go client.ClientManager()
		server.ServerManager()
		time.Sleep(10 * time.Second)
		settled(t, 3, client, server)
	})
}

func TestOnlyTheManagerConnects(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.server(1)
		var asked atomic.Int64
		p := newClientPool(1, 1, 0, 0, 0, "0", "", func() (string, error) {
			asked.Add(1)
			return w.Addr(serverHost), nil
		}, w.Socket(clientHost))
		defer p.Close()
		_, _, err := p.IncomingGet(time.Hour)
		isTimeout(t, err)
		if !errors.Is(err, compat.ErrNotStarted) {
			t.Errorf("%v: does not say that the manager was not called", err)
		}
		if asked.Load() != 0 || w.Sent(clientHost) != 0 {
			t.Errorf("asked for the address %d times and sent %d packets", asked.Load(), w.Sent(clientHost))
		}
	})
}

func TestAGetterMayBeCalledBeforeTheManager(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := newServerPool(1, "", w.tls, "ignored", w.Socket(serverHost))
		defer server.Close()
		client := newClientPool(1, 1, 0, 0, 0, "0", "", func() (string, error) { return w.Addr(serverHost), nil }, w.Socket(clientHost))
		defer client.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := server.IncomingGet(time.Hour); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := client.OutgoingGet("00000000", time.Hour); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		server.ServerManager()
		time.Sleep(time.Minute)
		begun := time.Now()
		client.ClientManager()
		wg.Wait()
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("the getters returned %v after the manager was called, want %v", took, 2*rtt)
		}
	})
}

func TestReadyLastsFromConstructionToClose(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := newServerPool(1, "", w.tls, "ignored", w.Socket(serverHost))
		client := newClientPool(1, 1, 0, 0, 0, "0", "", nowhere, w.Socket(clientHost))
		for _, p := range []*Pool{server, client} {
			if !p.Ready() {
				t.Error("not ready after construction")
			}
		}
		server.ServerManager()
		client.ClientManager()
		synctest.Wait()
		for _, p := range []*Pool{server, client} {
			if !p.Ready() {
				t.Error("not ready after the manager was called")
			}
			p.Close()
			if p.Ready() {
				t.Error("ready after Close")
			}
			p.ClientManager() // does nothing
			if p.Ready() || p.Active() != 0 {
				t.Error("a manager brought a closed pool back")
			}
		}
	})
}

func TestABlockedGetterReturnsAtOnceOnClose(t *testing.T) {
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprintf("started=%v", started), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				server := newServerPool(1, "", w.tls, "ignored", w.Socket(serverHost))
				client := newClientPool(1, 1, 0, 0, 0, "0", "", func() (string, error) { return w.Addr(thirdHost), nil }, w.Socket(clientHost))
				if started {
					server.ServerManager()
					client.ClientManager()
				}
				for _, p := range []*Pool{server, client} {
					var wg sync.WaitGroup
					for range 10 {
						wg.Go(func() {
							id, s, err := p.IncomingGet(time.Hour)
							if id != "" || s != nil || !errors.Is(err, net.ErrClosed) {
								t.Errorf("IncomingGet: %q, %#v, %v", id, s, err)
							}
						})
						wg.Go(func() {
							if s, err := p.OutgoingGet("00000000", time.Hour); s != nil || !errors.Is(err, net.ErrClosed) {
								t.Errorf("OutgoingGet: %#v, %v", s, err)
							}
						})
					}
					time.Sleep(time.Second)
					begun := time.Now()
					p.Close()
					wg.Wait()
					if took := time.Since(begun); took != 0 {
						t.Errorf("took %v", took)
					}
					if _, _, err := p.IncomingGet(time.Hour); !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "closed") {
						t.Errorf("after Close: %v", err)
					}
				}
			})
		})
	}
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

func TestFlushDoesNotNeedARunningPool(t *testing.T) {
	p := NewClientPool(1, 1, 0, 0, 0, "0", "", nowhere)
	p.Flush()
	p.ClientManager()
	p.Flush()
	p.Close()
	p.Flush()
}
