package poolnet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/poolkit/poolnet"
)

// The versions of HTTP without TLS, each alone.
var versions = map[string]func(*http.Protocols){
	"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
	"HTTP/2.0": func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
}

func protocols(set func(*http.Protocols)) *http.Protocols {
	p := new(http.Protocols)
	set(p)
	return p
}

// serve runs a server until the test ends. What Serve returned is to be read from the
// channel.
func serve(t testing.TB, s *http.Server, l net.Listener) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return done
}

// client returns an HTTP client over d, until the test ends.
func client(t testing.TB, d dialer, p *http.Protocols) *http.Client {
	transport := &http.Transport{DialContext: d.DialContext, Protocols: p}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get asks a server for a page, and expects a certain one.
func get(ctx context.Context, c *http.Client, url, want string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if string(body) != want {
		return fmt.Errorf("got %q, want %q", body, want)
	}
	return nil
}

func echoPath(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s", r.Proto, r.URL.Path)
}

// The trap that parking is for: peers keep idle members, and a server has timeouts.
func TestAServerWithTimeoutsLeavesWhoIsSilentAlone(t *testing.T) {
	for version, set := range versions {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client1, server := pair(t, 4)
				s := &http.Server{
					Handler:           http.HandlerFunc(echoPath),
					Protocols:         protocols(set),
					ReadHeaderTimeout: time.Second,
					IdleTimeout:       time.Second,
				}
				serve(t, s, listen(t, server, poolnet.ListenerConfig{}))
				c := client(t, poolnet.NewDialer(client1), protocols(set))
				if err := client1.WaitReady(t.Context(), 4); err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					time.Sleep(24 * time.Hour)
					if err := get(t.Context(), c, "http://any/page", version+" /page"); err != nil {
						t.Error(err)
					}
					synctest.Wait()
					if s := client1.Stats(); s.Created != uint64(5+i) || s.Lost != 0 {
						t.Errorf("%d members were made and %d lost, want one for each request more than 4, and none", s.Created, s.Lost)
					}
				}
			})
		})
	}
}

func TestAServerThatIsShutDownFinishesWhatItHasBegun(t *testing.T) {
	for version, set := range versions {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client1, server := pair(t, 2)
				s := &http.Server{
					Protocols: protocols(set),
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						time.Sleep(time.Minute)
						echoPath(w, r)
					}),
				}
				served := serve(t, s, listen(t, server, poolnet.ListenerConfig{}))
				c := client(t, poolnet.NewDialer(client1), protocols(set))
				asked := make(chan error, 1)
				go func() { asked <- get(t.Context(), c, "http://any/slow", version+" /slow") }()
				synctest.Wait()
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Errorf("Serve: %v, want http.ErrServerClosed", err)
				}
				if err := <-asked; err != nil {
					t.Errorf("the request under way: %v", err)
				}
				synctest.Wait()
				if s := server.Stats(); s.OnLoan != 0 {
					t.Errorf("%d members on loan after Shutdown, want none", s.OnLoan)
				}
			})
		})
	}
}

func TestAServerWhosePoolDrainsServesToTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client1, server := pair(t, 2)
		s := &http.Server{Handler: http.HandlerFunc(echoPath)}
		served := serve(t, s, listen(t, server, poolnet.ListenerConfig{}))
		c := client(t, poolnet.NewDialer(client1), nil)
		if err := get(t.Context(), c, "http://any/1", "HTTP/1.1 /1"); err != nil {
			t.Error(err)
		}
		synctest.Wait()

		s.SetKeepAlivesEnabled(false)
		down := make(chan error, 1)
		go func() { down <- server.Shutdown(t.Context()) }()
		synctest.Wait()
		if err := get(t.Context(), c, "http://any/2", "HTTP/1.1 /2"); err != nil {
			t.Errorf("a request while the pool drains: %v", err)
		}
		client1.Close() // the peer has been told to go
		if err := <-down; err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: %v, want net.ErrClosed", err)
		}
	})
}

// Handlers can ask for the member.
func TestTheMemberIsKnownToHandlers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client1, server := pair(t, 1)
		type key struct{}
		var members []*end
		s := &http.Server{
			ConnContext: func(ctx context.Context, c net.Conn) context.Context {
				m := memberOf[*end](t, c)
				members = append(members, m)
				return context.WithValue(ctx, key{}, m.LocalAddr())
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprint(w, r.Context().Value(key{}))
			}),
		}
		serve(t, s, listen(t, server, poolnet.ListenerConfig{}))
		c := client(t, poolnet.NewDialer(client1), nil)
		if err := get(t.Context(), c, "http://any/", "pipe"); err != nil {
			t.Error(err)
		}
		if len(members) != 1 {
			t.Errorf("%d members were accepted, want one", len(members))
		}
	})
}

func TestBigBodiesArriveWhole(t *testing.T) {
	for version, set := range versions {
		t.Run(version, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client1, server := pair(t, 1)
				s := &http.Server{
					Protocols: protocols(set),
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						body, _ := io.ReadAll(r.Body) // HTTP/1.1 does not read and write at once
						_, _ = w.Write(body)
					}),
				}
				serve(t, s, listen(t, server, poolnet.ListenerConfig{}))
				c := client(t, poolnet.NewDialer(client1), protocols(set))
				sent := strings.Repeat("0123456789abcdef", 1<<14)
				answer, err := c.Post("http://any/", "text/plain", strings.NewReader(sent))
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				if got, err := io.ReadAll(answer.Body); err != nil || string(got) != sent {
					t.Errorf("%d bytes came back, %v; want the %d that were sent", len(got), err, len(sent))
				}
			})
		})
	}
}
