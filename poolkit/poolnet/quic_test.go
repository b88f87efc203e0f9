package poolnet_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// streams is two pools of QUIC streams on loopback, which are connected.
type streams struct {
	client, server *poolkit.Pool[*quic.StreamConn]
}

// overQUIC opens such pools until the test ends. name, if set, names the client.
func overQUIC(t testing.TB, idle int, name string) streams {
	t.Helper()
	server, addr := listenQUIC(t, name)
	return streams{dialQUIC(t, idle, addr), server}
}

func listenQUIC(t testing.TB, name string) (server *poolkit.Pool[*quic.StreamConn], addr string) {
	t.Helper()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // quic-go would rather have bigger buffers
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	server, err = quic.Listen(quic.ListenConfig{
		PacketConn: socket,
		TLS:        &tls.Config{Certificates: []tls.Certificate{certificate()}},
		Peer:       func(quic.PeerInfo) string { return name },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, socket.LocalAddr().String()
}

func dialQUIC(t testing.TB, idle int, addr string) *poolkit.Pool[*quic.StreamConn] {
	t.Helper()
	client, err := quic.Dial(quic.DialConfig{
		Addr:        addr,
		TLS:         &tls.Config{InsecureSkipVerify: true}, // the certificate was made a moment ago
		MinCapacity: idle,
		MaxCapacity: idle,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// certificate returns a self-signed certificate for 127.0.0.1.
func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func nobodyHasAny[C any](p *poolkit.Pool[C]) func() bool {
	return func() bool { return p.Stats().OnLoan == 0 }
}

func TestThousandsOfRequestsOverQUICStreams(t *testing.T) {
	const workers, each = 32, 60
	for version, set := range versions {
		t.Run(version, func(t *testing.T) {
			q := overQUIC(t, 16, "")
			var accepted atomic.Int64
			s := &http.Server{
				Handler:           http.HandlerFunc(echoPath),
				Protocols:         protocols(set),
				ReadHeaderTimeout: 20 * time.Second,
				ConnState: func(_ net.Conn, state http.ConnState) {
					if state == http.StateNew {
						accepted.Add(1)
					}
				},
			}
			served := serve(t, s, listen(t, q.server, poolnet.ListenerConfig{Addr: &net.UDPAddr{}}))
			transport := &http.Transport{
				DialContext:         poolnet.NewDialer(q.client).DialContext,
				Protocols:           protocols(set),
				MaxIdleConnsPerHost: workers,
			}
			c := &http.Client{Transport: transport}
			var users sync.WaitGroup
			for user := range workers {
				users.Go(func() {
					for i := range each {
						page := fmt.Sprintf("/%d/%d", user, i)
						if err := get(t.Context(), c, "http://any"+page, version+" "+page); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			users.Wait()
			// net/http dials for a request that then finds another connection free, so
			// there may be more connections than users.
			if n := accepted.Load(); n > workers*each/4 {
				t.Errorf("%d connections for %d requests: they were not kept", n, workers*each)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Errorf("shutdown: %v", err)
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("Serve: %v, want http.ErrServerClosed", err)
			}
			transport.CloseIdleConnections()
			eventually(t, "the server has ended every connection", nobodyHasAny(q.server))
			eventually(t, "the client has ended every connection", nobodyHasAny(q.client))
		})
	}
}

// A server that nobody can connect to connects to its clients, and they find it by name.
func TestAServerThatDialsIsFoundByItsName(t *testing.T) {
	for version, set := range versions {
		t.Run(version, func(t *testing.T) {
			q := overQUIC(t, 1, "printer")
			q.client.Resize(0, 0)
			s := &http.Server{Handler: http.HandlerFunc(echoPath), Protocols: protocols(set)}
			serve(t, s, listen(t, q.client, poolnet.ListenerConfig{MaxParked: 4}))

			c := client(t, poolnet.NewDialer(q.server).Choosing(byName(q.server)), protocols(set))
			var users sync.WaitGroup
			for range 8 {
				users.Go(func() {
					for range 20 {
						if err := get(t.Context(), c, "http://printer/page", version+" /page"); err != nil {
							t.Error(err)
						}
					}
				})
			}
			users.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if err := get(ctx, c, "http://scanner/page", ""); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("asking somebody else: %v, want to wait in vain", err)
			}
		})
	}
}

func byName(p *poolkit.Pool[*quic.StreamConn]) func(ctx context.Context, network, addr string) (poolkit.Lease[*quic.StreamConn], error) {
	return func(ctx context.Context, _, addr string) (poolkit.Lease[*quic.StreamConn], error) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return poolkit.Lease[*quic.StreamConn]{}, err
		}
		return p.AcquireFrom(ctx, host)
	}
}

// The server's pool tells its clients to leave, and they go to another server. Nobody is
// cut off on the way.
func TestAServerWhosePoolShutsDownCutsNobodyOff(t *testing.T) {
	staying, there := listenQUIC(t, "")
	leaving, here := listenQUIC(t, "")
	pool := dialQUIC(t, 8, here+","+there)
	var answers [2]atomic.Int64
	var servers [2]*http.Server
	for i, p := range []*poolkit.Pool[*quic.StreamConn]{staying, leaving} {
		servers[i] = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answers[i].Add(1)
			echoPath(w, r)
		})}
		serve(t, servers[i], listen(t, p, poolnet.ListenerConfig{}))
	}
	transport := &http.Transport{DialContext: poolnet.NewDialer(pool).DialContext}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	pace := time.NewTicker(2 * time.Millisecond) // others use this machine, too
	defer pace.Stop()
	ask := func() {
		<-pace.C
		if err := get(t.Context(), c, "http://any/", "HTTP/1.1 /"); err != nil {
			t.Fatal(err)
		}
	}
	for answers[0].Load() == 0 || answers[1].Load() == 0 {
		ask()
		transport.CloseIdleConnections() // the next one takes another stream
	}
	started := time.Now()
	eventually(t, "the connections are old enough to be told to end", func() bool {
		ask()
		return time.Since(started) > 3*time.Second
	})

	servers[1].SetKeepAlivesEnabled(false)
	down := make(chan error, 1)
	go func() { down <- leaving.Shutdown(t.Context()) }()
	for n := 0; ; n++ {
		select {
		case err := <-down:
			if err != nil {
				t.Errorf("shutdown: %v", err)
			}
			t.Logf("%d requests were answered while the server left", n)
			return
		default:
			ask()
		}
	}
}

func TestStreamsServeOneLease(t *testing.T) {
	if _, err := poolnet.NewDialer(overQUIC(t, 1, "").client).Returning(); !errors.Is(err, poolnet.ErrSingleUse) {
		t.Errorf("Returning: %v, want ErrSingleUse", err)
	}
}
