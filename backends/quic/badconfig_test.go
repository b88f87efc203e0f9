package quic

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/backends/internal/compat/compattest"
	"github.com/vistone/poolkit/backends/quic/internal/simtest"
	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

func (w *world) clientWith(code, hostname string, resolver func() (string, error)) *Pool {
	p := newClientPool(5, 5, 0, 0, 0, code, hostname, resolver, w.Socket(clientHost))
	w.Cleanup(p.Close)
	p.ClientManager()
	return p
}

func TestATargetBeyondAllStreamsEndsThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		server := w.listen(ListenConfig{Capacity: math.MaxInt})
		client := w.dial(DialConfig{MinCapacity: 1, MaxCapacity: math.MaxInt})
		old := newClientPool(1, math.MaxInt, 0, 0, 0, "0", "", nowhere, w.Socket(thirdHost))
		old.Close()
		if err := client.WaitReady(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if err := client.WaitReady(t.Context(), places*maxShards+1); err == nil || !strings.Contains(err.Error(), "keeps at most 8192") {
			t.Errorf("who waits for more streams than there can be is told %v", err)
		}
		if n := server.Stats().Capacity; n != places*maxPeers {
			t.Errorf("the server's target is %d, want %d", n, places*maxPeers)
		}
	})
}

func TestAWrongTLSCode(t *testing.T) {
	for _, code := range []string{"", "3", "00", "tls", "0 "} {
		inWorld(t, func(t *testing.T, w *world) {
			l := compattest.Logs(t)
			p := w.clientWith(code, "localhost", nowhere)
			time.Sleep(time.Minute)
			failsAtOnce(t, p, "TLS code", `"`+code+`"`, `"0"`, `"1"`, `"2"`)
			l.Once(t, "TLS code")
		})
	}
}

func TestAVerifyingTLSCodeWithoutAHostName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := compattest.Logs(t)
		p := w.clientWith("2", "", nowhere)
		time.Sleep(time.Minute)
		failsAtOnce(t, p, "host name", "empty")
		l.Once(t, "host name")
	})
}

func TestANilResolver(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := compattest.Logs(t)
		p := w.clientWith("0", "", nil)
		time.Sleep(time.Minute)
		failsAtOnce(t, p, "resolver is nil", "host:port")
		l.Once(t, "resolver is nil")
	})
}

func TestAServerWithoutACertificate(t *testing.T) {
	for words, conf := range map[string]*tls.Config{
		"TLS configuration is nil":             nil,
		"TLS configuration has no certificate": {NextProtos: []string{alpn}},
	} {
		inWorld(t, func(t *testing.T, w *world) {
			l := compattest.Logs(t)
			w.tls = conf
			p := w.server(1)
			time.Sleep(time.Minute)
			failsAtOnce(t, p, words)
			l.Once(t, words)
		})
	}
}

func TestAServerOnABadAddress(t *testing.T) {
	for addr, word := range map[string]string{
		"nonsense":       "host:port",
		"127.0.0.1":      "host:port",
		"127.0.0.1:x:1":  "host:port",
		"127.0.0.1:-1":   "port",
		"0.0.0.0:65536":  "65535",
		"0.0.0.0:999999": "65535",
		"[::1]":          "host:port",
	} {
		l := compattest.Logs(t)
		p := NewServerPool(1, "", testCertificate(t), addr, 0)
		p.ServerManager()
		_, _, err := p.IncomingGet(10 * time.Second)
		if err == nil {
			t.Fatal("got a stream")
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: the getter had to wait", addr)
		}
		says(t, err.Error(), word)
		l.Once(t, word)
		p.Close()
	}
}

func TestAServerWithABadAllowList(t *testing.T) {
	l := compattest.Logs(t)
	p := NewServerPool(1, "10.0.0.1, ten.example", testCertificate(t), "127.0.0.1:0", 0)
	defer p.Close()
	p.ServerManager()
	_, _, err := p.IncomingGet(10 * time.Second)
	if err == nil {
		t.Fatal("got a stream")
	}
	says(t, err.Error(), `"ten.example"`, "10.0.0.0/8")
	l.Once(t, "ten.example")
}

func TestAServerWhoseAddressIsTakenStartsOnceItIsFree(t *testing.T) {
	l := compattest.Logs(t)
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.LocalAddr().String()
	p := NewServerPool(5, "", testCertificate(t), addr, 0)
	defer p.Close()
	p.ServerManager()
	_, _, err = p.IncomingGet(10 * time.Second)
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	says(t, err.Error(), "listen", "in use")
	taken.Close()
	client := NewClientPool(5, 5, 0, 0, 0, "0", "", func() (string, error) { return addr, nil })
	defer client.Close()
	client.ClientManager()
	waitIdle(t, client, 5)
	l.Once(t, "in use")
	c, s := take(t, client, p)
	usable(t, c, s)
}

func TestNativePoolsRefuseABadConfigurationAtOnce(t *testing.T) {
	good := testCertificate(t)
	for name, open := range map[string]func() (*native, error){
		"DialConfig.TLS":           func() (*native, error) { return Dial(DialConfig{Addr: "127.0.0.1:1"}) },
		"DialConfig.Addr":          func() (*native, error) { return Dial(DialConfig{Addr: "x", TLS: &tls.Config{}}) },
		"DialConfig.Trust":         func() (*native, error) { return Dial(DialConfig{Addr: "x:1", Trust: trust.Pins{}}) },
		"negative":                 func() (*native, error) { return Dial(DialConfig{Addr: "x:1", TLS: &tls.Config{}, MinCapacity: -1}) },
		"TLS configuration is nil": func() (*native, error) { return Listen(ListenConfig{Addr: "127.0.0.1:0"}) },
		"listen":                   func() (*native, error) { return Listen(ListenConfig{Addr: "127.0.0.1:x", TLS: good}) },
		"AllowedClients": func() (*native, error) {
			return Listen(ListenConfig{Addr: "127.0.0.1:0", TLS: good, AllowedClients: "x"})
		},
		"MinCapacity": func() (*native, error) { return Listen(ListenConfig{Addr: "127.0.0.1:0", TLS: good, Capacity: -1}) },
	} {
		p, err := open()
		if err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		says(t, err.Error(), name)
	}
}

// A resolver may fail in many ways. Each time the getters say so at once, and the
// pool works as soon as the resolver does.
func TestABadResolver(t *testing.T) {
	for name, c := range map[string]struct {
		resolve func() (string, error)
		words   []string
	}{
		"fails":        {func() (string, error) { return "", errors.New("no such service") }, []string{"resolve the server's address", "no such service"}},
		"panics":       {func() (string, error) { panic("out of order") }, []string{"address resolver panicked", "out of order"}},
		"is empty":     {func() (string, error) { return "", nil }, []string{"must be host:port"}},
		"no port":      {func() (string, error) { return "10.0.0.1", nil }, []string{"must be host:port"}},
		"no such port": {func() (string, error) { return "10.0.0.1:65536", nil }, []string{"port", "10.0.0.1:65536"}},
		"garbage":      {func() (string, error) { return "\x00\xff::::", nil }, []string{"must be host:port"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				l := compattest.Logs(t)
				w.server(5)
				var good atomic.Bool
				var asked atomic.Int64
				p := w.clientWith("0", "", func() (string, error) {
					if asked.Add(1); good.Load() {
						return w.Addr(serverHost), nil
					}
					return c.resolve()
				})
				_, _, err := p.IncomingGet(time.Hour)
				if err == nil {
					t.Fatal("got a stream")
				}
				says(t, err.Error(), c.words...)
				if !poolkit.IsPermanent(err) {
					t.Errorf("%v: is not marked as permanent", err)
				}
				time.Sleep(time.Minute)
				failsAtOnce(t, p, c.words...)
				if n := asked.Load(); n > 60 {
					t.Errorf("asked %d times in a minute", n)
				}
				l.Once(t, c.words...)
				good.Store(true)
				begun := time.Now()
				waitIdleThroughFailures(t, p, 5)
				if took := time.Since(begun); took > 3*time.Second {
					t.Errorf("worked again after %v", took)
				}
			})
		})
	}
}

// waitIdleThroughFailures is waitIdle where waiting fails at once at first.
func waitIdleThroughFailures(t *testing.T, p *Pool, n int) {
	t.Helper()
	for range 10_000 {
		if p.Active() >= n {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%d idle streams, want %d", p.Active(), n)
}

func TestARejectedCertificate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := compattest.Logs(t)
		w.server(5)
		p := w.clientWith("2", "localhost", func() (string, error) { return w.Addr(serverHost), nil })
		time.Sleep(time.Second)
		sent := w.Sent(clientHost)
		time.Sleep(time.Minute)
		failsAtOnce(t, p, w.Addr(serverHost), "certificate", "host name", "TLS mode")
		l.Once(t, "certificate")
		if sent = w.Sent(clientHost) - sent; sent > 60*5 {
			t.Errorf("%d packets in a minute", sent)
		}
	})
}

func TestAMismatchedHostNameAndItsCureByANewCertificate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var failed atomic.Int64
		server := w.listen(ListenConfig{})
		trust := simtest.Trust(w.tls)
		cure := simtest.Certificate(t, "elsewhere.example")
		trust.RootCAs.AddCert(cure.Certificates[0].Leaf)
		trust.ServerName = "elsewhere.example"
		client := w.dial(DialConfig{TLS: trust, MinCapacity: 5, MaxCapacity: 5, Hooks: poolkit.Hooks{Failed: func(int, error) { failed.Add(1) }}})
		begun := time.Now()
		_, err := client.Acquire(t.Context())
		if err == nil {
			t.Fatal("got a stream")
		}
		says(t, err.Error(), "elsewhere.example", "check the certificate")
		if !poolkit.IsPermanent(err) || time.Since(begun) > 2*rtt {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		time.Sleep(time.Minute)
		if n := failed.Load(); n > 60*5 {
			t.Errorf("%d failures in a minute", n)
		}
		server.Close()
		trust.ServerName = "localhost" // the pool has its own copy
		w.listen(ListenConfig{TLS: cure})
		time.Sleep(handshakeTimeout + 3*time.Second)
		if s := client.Stats(); s.Idle != 5 || s.LastError != nil {
			t.Errorf("%+v", s)
		}
	})
}

func TestAServerWithAnotherALPN(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := compattest.Logs(t)
		w.foreign(serverHost, "h3").serve(func(*quicgo.Conn) { t.Error("connected") })
		p := w.clientWith("0", "", func() (string, error) { return w.Addr(serverHost), nil })
		time.Sleep(time.Minute)
		failsAtOnce(t, p, "np-quic", "does not offer the protocol")
		l.Once(t, "does not offer")
	})
}

func TestNobodyThere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		l := compattest.Logs(t)
		p := w.clientWith("0", "", func() (string, error) { return w.Addr(serverHost), nil })
		_, _, err := p.IncomingGet(time.Minute)
		compattest.IsTimeout(t, err)
		says(t, err.Error(), w.Addr(serverHost)) // says what failed last
		if n := w.Sent(clientHost); n > 60*5 {
			t.Errorf("%d packets in a minute", n)
		}
		begun := time.Now()
		w.server(5)
		waitIdle(t, p, 5)
		if took := time.Since(begun); took > handshakeTimeout+3*time.Second {
			t.Errorf("worked after %v", took)
		}
		if lines := l.Lines(); len(lines) > 1 {
			t.Errorf("%q", lines)
		}
	})
}
