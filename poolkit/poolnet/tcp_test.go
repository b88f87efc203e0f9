package poolnet_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"

	"github.com/vistone/poolkit/backends/tcp"
	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/poolkit/poolnet"
)

// site starts a server of net/http that tells the version of HTTP and the path, with TLS
// or without.
func site(t testing.TB, secure bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(echoPath))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it minds connections that nobody has used
	s.EnableHTTP2 = true
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// overTCP opens a pool of connections to such a server.
func overTCP(t testing.TB, s *httptest.Server, protocols ...string) *poolkit.Pool[*tcp.Conn] {
	t.Helper()
	cfg := tcp.DialConfig{Addr: s.Listener.Addr().String(), MinCapacity: 4, MaxCapacity: 4}
	if s.TLS != nil {
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		cfg.TLS = &tls.Config{RootCAs: roots, ServerName: "example.com", NextProtos: protocols}
	}
	p, err := tcp.Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// getAll asks for many pages at once.
func getAll(t testing.TB, c *http.Client, scheme, version string) {
	t.Helper()
	var users sync.WaitGroup
	for user := range 8 {
		users.Go(func() {
			for i := range 50 {
				page := fmt.Sprintf("/%d/%d", user, i)
				if err := get(t.Context(), c, scheme+"://example.com"+page, version+" "+page); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	users.Wait()
}

func TestHTTPOverTCP(t *testing.T) {
	p := overTCP(t, site(t, false))
	transport := &http.Transport{DialContext: poolnet.NewDialer(p).DialContext, MaxIdleConnsPerHost: 8}
	getAll(t, &http.Client{Transport: transport}, "http", "HTTP/1.1")
	transport.CloseIdleConnections()
	eventually(t, "net/http has closed its connections", nobodyHasAny(p))
}

// net/http gets the *tls.Conn itself, and sees that HTTP/2 was agreed on.
func TestHTTP2OverTLSThatIsHandedOver(t *testing.T) {
	p := overTCP(t, site(t, true), "h2")
	transport := &http.Transport{
		DialTLSContext:    poolnet.NewDialer(p).HandingOver((*tcp.Conn).NetConn).DialContext,
		ForceAttemptHTTP2: true,
	}
	getAll(t, &http.Client{Transport: transport}, "https", "HTTP/2.0")
	transport.CloseIdleConnections()
	if n := p.Stats().OnLoan; n != 0 {
		t.Errorf("%d members on loan, want none", n)
	}
}

// One connection for each request, as far as net/http knows, and few in fact.
func TestConnectionsToAServerAreReturned(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			p := overTCP(t, site(t, secure))
			d, err := poolnet.NewDialer(p).Returning()
			if err != nil {
				t.Fatal(err)
			}
			for range 50 {
				c := dial(t, d)
				if _, err := io.WriteString(c, "GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if err := readAnswer(c, "HTTP/1.1 /page"); err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
			if n := p.Stats().Created; n > 10 {
				t.Errorf("%d connections were made for 50 exchanges, one after the other", n)
			}
		})
	}
}

// readAnswer reads an HTTP answer, and not a byte more.
func readAnswer(c net.Conn, want string) error {
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && string(body) != want {
		err = fmt.Errorf("got %q, want %q", body, want)
	}
	return err
}

// With TLS the socket carries something else than what is read and written. Drivers that
// peek at it, to see whether a connection is alive, must not be misled.
func TestTLSShowsNoSocket(t *testing.T) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, poolnet.NewDialer(overTCP(t, site(t, secure))))
			defer c.Close()
			if _, ok := c.(syscall.Conn); ok == secure {
				t.Errorf("has SyscallConn: %v, want %v", ok, !secure)
			}
		})
	}
}
