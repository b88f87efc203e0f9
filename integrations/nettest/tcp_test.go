package nettest

import (
	"crypto/tls"
	"flag"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/poolkit"
)

// compatible is what the compatibility pools of all backends have in common, so that
// tunnels can use any of them.
type compatible interface {
	ClientManager()
	ServerManager()
	OutgoingGet(id string, timeout time.Duration) (net.Conn, error)
	IncomingGet(timeout time.Duration) (string, net.Conn, error)
	Active() int
	Capacity() int
	Interval() time.Duration
	ShardCount() int
	Ready() bool
	AddError()
	ErrorCount() int
	ResetError()
	Flush()
	Close()
}

var _, _ compatible = (*quic.Pool)(nil), (*tcp.Pool)(nil)

// TestMain leaves out what no connection of crypto/tls can do: "After a Write has timed
// out, the TLS state is corrupt and all future writes will return the same error."
func TestMain(m *testing.M) {
	flag.Parse()
	const writesAgain = "^(PastTimeout|FutureTimeout|ConcurrentMethods)$"
	if flag.Lookup("test.skip").Value.String() == "" {
		if err := flag.Set("test.skip", "^TestAConn/^TLS$/"+writesAgain+"|^TestAConn/^TLS$/^the_/"+writesAgain); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// overTCP runs a test over plain TCP and over TLS.
func overTCP(t *testing.T, test func(t *testing.T, server, client *tls.Config)) {
	t.Run("plain", func(t *testing.T) { test(t, nil, nil) })
	t.Run("TLS", func(t *testing.T) {
		test(t, certificate(t), &tls.Config{InsecureSkipVerify: true}) // it was made a moment ago
	})
}

func TestAConnOfTwoPoolsThatMeetIsANetConn(t *testing.T) {
	overTCP(t, func(t *testing.T, serverTLS, clientTLS *tls.Config) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server, err := tcp.Listen(tcp.ListenConfig{Listener: listener, TLS: serverTLS})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		client, err := tcp.DialPeer(tcp.DialConfig{Addr: listener.Addr().String(), TLS: clientTLS, MinCapacity: 4, MaxCapacity: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		pipes := func(swap bool) nettest.MakePipe {
			return func() (c1, c2 net.Conn, stop func(), err error) {
				s, err := server.Acquire(t.Context())
				if err != nil {
					return nil, nil, nil, err
				}
				c, err := client.AcquireID(t.Context(), s.ID())
				if err != nil {
					s.Release()
					return nil, nil, nil, err
				}
				c1, c2 = c.Conn(), s.Conn()
				if swap {
					c1, c2 = c2, c1
				}
				return c1, c2, func() { c.Release(); s.Release() }, nil
			}
		}
		t.Run("the client", func(t *testing.T) { nettest.TestConn(t, pipes(false)) })
		t.Run("the server", func(t *testing.T) { nettest.TestConn(t, pipes(true)) })
		for name, p := range map[string]*poolkit.Pool[*tcp.Conn]{"server": server, "client": client} {
			if n := p.Stats().OnLoan; n != 0 {
				t.Errorf("the %s still has %d connections on loan", name, n)
			}
		}
	})
}

func TestAConnToAnyServerIsANetConn(t *testing.T) {
	overTCP(t, func(t *testing.T, serverTLS, clientTLS *tls.Config) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if serverTLS != nil {
			listener = tls.NewListener(listener, serverTLS)
		}
		accepted := make(chan net.Conn, 4) // as many as the pool keeps; closed by the goroutine below
		go func() {                        // ends with the listener
			defer close(accepted)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				if secure, ok := conn.(*tls.Conn); ok {
					if err := secure.Handshake(); err != nil {
						conn.Close()
						continue
					}
				}
				accepted <- conn
			}
		}()
		client, err := tcp.Dial(tcp.DialConfig{Addr: listener.Addr().String(), TLS: clientTLS, MinCapacity: 1, MaxCapacity: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			listener.Close()
			client.Close()
			for conn := range accepted {
				conn.Close()
			}
		}()
		others := make(map[string]net.Conn) // by the address of the client's end
		nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
			c, err := client.Acquire(t.Context())
			if err != nil {
				return nil, nil, nil, err
			}
			for others[c.Conn().LocalAddr().String()] == nil {
				conn := <-accepted
				others[conn.RemoteAddr().String()] = conn
			}
			s := others[c.Conn().LocalAddr().String()]
			return c.Conn(), s, func() { c.Discard(); s.Close() }, nil
		})
	})
}
