package tcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vistone/poolkit/backends/trust"
	"github.com/vistone/poolkit/poolkit"
)

// fails starts a pool that cannot make connections, and returns why.
func fails(t *testing.T, cfg DialConfig) error {
	t.Helper()
	failed := make(chan error, 1) // by the hook, the first failure
	cfg.Hooks = poolkit.Hooks{Failed: func(_ int, err error) {
		select {
		case failed <- err:
		default:
		}
	}}
	p, err := Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	select {
	case err := <-failed:
		return err
	case <-time.After(patience):
		t.Fatal("no dial failed")
		return nil
	}
}

// says checks that an error tells its reader something.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error %v does not say %q", err, part)
		}
	}
}

// permanent checks that an error is told to everybody who waits, or is not.
func permanent(t *testing.T, err error, want bool) {
	t.Helper()
	if poolkit.IsPermanent(err) != want {
		t.Errorf("permanent is %t, want %t: %v", !want, want, err)
	}
}

func TestAServerThatRefusesConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	err = fails(t, DialConfig{Addr: addr})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want connection refused", err)
	}
	says(t, err, addr, "nothing listens there")
	permanent(t, err, false)
}

func TestAServerThatResetsConnections(t *testing.T) {
	conf, client := certificate(t)
	reset := func(conn net.Conn) {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	s := startUpstream(t, nil, reset)
	err := fails(t, DialConfig{Addr: s.addr, TLS: client})
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%v, want connection reset", err)
	}
	says(t, err, s.addr)
	permanent(t, err, false)

	// It recovers.
	s.stop()
	s.tls, s.serve = conf, echo
	s.start()
	ready(t, poolOf(t, 1, DialConfig{Addr: s.addr, TLS: client}), 1)
}

func TestAServerThatClosesEveryConnectionIsDialledAtThePaceOfFailures(t *testing.T) {
	s := startUpstream(t, nil, func(conn net.Conn) { conn.Close() })
	err := fails(t, DialConfig{Addr: s.addr})
	if !errors.Is(err, poolkit.ErrLost) {
		t.Errorf("%v, want %v", err, poolkit.ErrLost)
	}
}

func TestAServerThatLetsInAndSaysNothing(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		_, client := certificate(t)
		n.is("a:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "a:1", TLS: client, DialTimeout: 3 * time.Second})
		time.Sleep(3 * time.Second)
		synctest.Wait()
		err := p.Stats().LastError
		says(t, err, "TLS handshake with a:1", "let us in and said nothing")
		permanent(t, err, false)
	})
}

// A listener whose queue is full drops whoever comes.
func TestAServerThatDoesNotAnswer(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		p := n.pool(DialConfig{Addr: "hole:1", DialTimeout: 3 * time.Second})
		ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
		defer stop()
		_, err := p.Acquire(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the caller's deadline", err)
		}
		says(t, err, "last failure: connect to hole:1", "it does not answer")
		permanent(t, err, false)
		n.is("hole:1", n.serves(0, swallow))
		ready(t, p, 1)
	})
}

func TestACertificateFromNobodyWeKnow(t *testing.T) {
	conf, _ := certificate(t)
	s := startUpstream(t, conf, echo)
	err := fails(t, DialConfig{Addr: s.addr, TLS: &tls.Config{ServerName: "localhost"}})
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("%v, want an unknown authority", err)
	}
	says(t, err, s.addr, "set TLS.RootCAs")
	permanent(t, err, true)
}

func TestACertificateForAnotherHost(t *testing.T) {
	conf, client := certificate(t)
	client.ServerName = "elsewhere"
	s := startUpstream(t, conf, echo)
	err := fails(t, DialConfig{Addr: s.addr, TLS: client})
	var host x509.HostnameError
	if !errors.As(err, &host) {
		t.Errorf("%v, want a wrong host name", err)
	}
	says(t, err, s.addr, "set TLS.ServerName")
	permanent(t, err, true)
}

func TestACertificateThatHasExpired(t *testing.T) {
	conf, client := certificate(t)
	client.Time = func() time.Time { return time.Now().Add(48 * time.Hour) }
	s := startUpstream(t, conf, echo)
	err := fails(t, DialConfig{Addr: s.addr, TLS: client})
	says(t, err, s.addr, "expired", "another certificate, or we another clock")
	permanent(t, err, true)
}

func TestAKeyThatIsNotPinned(t *testing.T) {
	conf, _ := certificate(t)
	s := startUpstream(t, conf, echo)
	err := fails(t, DialConfig{Addr: s.addr, Trust: trust.Pins{{1}}})
	var mismatch *trust.MismatchError
	if !errors.As(err, &mismatch) || mismatch.Server != s.addr {
		t.Errorf("%v, want a mismatch of %s", err, s.addr)
	}
	permanent(t, err, true)
}

func TestAKeyThatIsPinned(t *testing.T) {
	conf, _ := certificate(t)
	s := startUpstream(t, conf, echo)
	pins := trust.Pins{trust.PinOf(conf.Certificates[0].Leaf)}
	p := poolOf(t, 3, DialConfig{Addr: s.addr, Trust: pins})
	l := acquire(t, p)
	defer l.Release()
	if err := exchange(l.Conn()); err != nil {
		t.Error(err)
	}
}

func TestAServerWithoutTLS(t *testing.T) {
	_, client := certificate(t)
	s := startUpstream(t, nil, greet)
	err := fails(t, DialConfig{Addr: s.addr, TLS: client})
	says(t, err, s.addr, "no TLS is spoken there")
	permanent(t, err, true)
}

func TestAServerThatRefusesWhatTLSOffers(t *testing.T) {
	conf, client := certificate(t)
	conf.NextProtos, client.NextProtos = []string{"one"}, []string{"another"}
	s := startUpstream(t, conf, echo)
	err := fails(t, DialConfig{Addr: s.addr, TLS: client})
	says(t, err, s.addr, "the server refused what TLS offered")
	permanent(t, err, true)
}

func TestAHostThatNobodyHas(t *testing.T) {
	err := connectError("nobody.invalid:1", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nobody.invalid", IsNotFound: true}})
	says(t, err, "nobody.invalid", "nobody has that name")
	permanent(t, err, true)
	permanent(t, connectError("db:1", &net.DNSError{Err: "server misbehaving", Name: "db", IsTemporary: true}), false)
}

func TestADialerThatReturnsNeitherConnectionNorError(t *testing.T) {
	for name, none := range map[string]net.Conn{"nil": nil, "typed nil": (*net.TCPConn)(nil)} {
		t.Run(name, func(t *testing.T) {
			err := fails(t, DialConfig{Addr: "db:1", DialContext: func(context.Context, string, string) (net.Conn, error) {
				return none, nil
			}})
			if !errors.Is(err, errNoConn) {
				t.Errorf("%v, want %v", err, errNoConn)
			}
			says(t, err, "db:1")
			permanent(t, err, false)
		})
	}
}

// Each of the user's functions may panic; the pool is told which, and goes on.
func TestAFunctionThatPanics(t *testing.T) {
	conf, client := certificate(t)
	for callback, breakIt := range map[string]func(*DialConfig, func()){
		"DialContext": func(cfg *DialConfig, oops func()) {
			cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				oops()
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		},
		"Prepare": func(cfg *DialConfig, oops func()) {
			cfg.Prepare = func(context.Context, *Conn) error {
				oops()
				return nil
			}
		},
		"a function of DialConfig.TLS": func(cfg *DialConfig, oops func()) {
			cfg.TLS.VerifyConnection = func(tls.ConnectionState) error {
				oops()
				return nil
			}
		},
	} {
		t.Run(callback, func(t *testing.T) {
			s := startUpstream(t, conf, echo)
			var healed atomic.Bool
			cfg := DialConfig{Addr: s.addr, TLS: client.Clone()}
			breakIt(&cfg, func() {
				if !healed.Load() {
					panic("oops")
				}
			})
			p, err := Dial(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			var panicked *poolkit.PanicError
			eventually(t, "nobody was told of the panic", func() bool { return errors.As(p.Stats().LastError, &panicked) })
			if panicked.Callback != callback || len(panicked.Stack) == 0 {
				t.Errorf("%v: want one of %s with its stack", panicked, callback)
			}
			healed.Store(true)
			ready(t, p, 1)
		})
	}
}

// While no file can be opened there are no new connections, and the server is not to
// blame.
func TestFileDescriptorsThatRunOut(t *testing.T) {
	s := startUpstream(t, nil, echo)
	var out atomic.Bool
	out.Store(true)
	cfg := DialConfig{Addr: s.addr, MinCapacity: 4, MaxCapacity: 4}
	cfg.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if out.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EMFILE}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	p, err := Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	eventually(t, "nothing failed", func() bool { return p.Stats().Failed > 0 })
	err = p.Stats().LastError
	says(t, err, s.addr, "raise the limit (ulimit -n) or lower MaxOpen")
	permanent(t, err, false)
	out.Store(false)
	ready(t, p, 4)
}

func TestWhatIsOurOwnFaultEjectsNoServer(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("a:1", func(context.Context) (net.Conn, error) { return nil, syscall.EMFILE })
		n.is("b:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "a:1,b:1", MinCapacity: 1, MaxCapacity: 1})
		ready(t, p, 1)
		n.is("a:1", n.serves(0, swallow))
		renew(t, p, 1)
		ready(t, p, 1)
		if len(n.dialled("a:1")) < 2 {
			t.Error("a server was ejected because we had no files left")
		}
	})
}

func TestAThousandWaitersAreToldOfAPermanentFailureAtOnce(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		errAuth := errors.New("wrong password")
		n.is("db:1", n.serves(time.Second, swallow))
		p := n.pool(DialConfig{Addr: "db:1", Prepare: func(context.Context, *Conn) error { return poolkit.Permanent(errAuth) }})
		start := time.Now()
		var told atomic.Int32
		var waiters sync.WaitGroup
		for range 1000 {
			waiters.Go(func() {
				if _, err := p.Acquire(t.Context()); errors.Is(err, errAuth) {
					told.Add(1)
				}
			})
		}
		waiters.Wait()
		if took := time.Since(start); told.Load() != 1000 || took != time.Second {
			t.Errorf("%d were told after %v, want 1000 after 1s, when it was known", told.Load(), took)
		}
	})
}

func TestACallerWhoGivesUpDoesNotWasteTheDial(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("db:1", n.serves(time.Second, swallow))
		p := n.pool(DialConfig{Addr: "db:1", MinCapacity: 0, MaxCapacity: 1})
		ctx, stop := context.WithTimeout(t.Context(), 999*time.Millisecond)
		defer stop()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if _, ok := p.TryAcquire(); !ok || len(n.dialled("db:1")) != 1 {
			t.Errorf("after %d dials nothing is there, want the one that was under way", len(n.dialled("db:1")))
		}
	})
}

func TestPrepareMayWaitForTheServerWithoutATimeoutOfItsOwn(t *testing.T) {
	inFakeNet(t, func(t *testing.T, n *fakeNet) {
		n.is("db:1", n.serves(0, swallow))
		p := n.pool(DialConfig{Addr: "db:1", DialTimeout: 2 * time.Second, Prepare: func(_ context.Context, c *Conn) error {
			_, err := c.Read(make([]byte, 1))
			return err
		}})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		err := p.Stats().LastError
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want that the time was over", err)
		}
		says(t, err, "prepare a connection to db:1")
		// Nor does it hold up the pool's end, with the next dial under way.
		time.Sleep(time.Second)
		start := time.Now()
		if p.Close(); time.Since(start) > 0 {
			t.Errorf("Close took %v", time.Since(start))
		}
	})
}

func TestPrepareHasToReadWhatItAskedFor(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		cfg.Prepare = func(_ context.Context, c *Conn) error {
			if _, err := c.Write([]byte("AUTH")); err != nil {
				return err
			}
			_, err := io.ReadFull(c, make([]byte, 2))
			return err
		}
		err := fails(t, cfg)
		if !errors.Is(err, errLeftovers) {
			t.Errorf("%v, want %v", err, errLeftovers)
		}
	})
}

func TestPrepareSpeaksToTheServerFirst(t *testing.T) {
	both(t, func(t *testing.T, secure bool) {
		_, cfg := serverThat(t, secure, echo)
		cfg.Prepare = func(_ context.Context, c *Conn) error { return exchange(c) }
		p := poolOf(t, 4, cfg)
		l := acquire(t, p)
		defer l.Release()
		if err := exchange(l.Conn()); err != nil {
			t.Error(err)
		}
	})
}

// In TLS 1.3 a client has finished its handshake before the server has seen the
// certificate that it asked for.
func TestAServerThatDoesNotTakeOurCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			if version == tls.VersionTLS13 && runtime.GOOS != "linux" {
				t.Skip("this system does not show that a connection ends while bytes wait")
			}
			conf, client := certificate(t)
			conf.MaxVersion = version
			conf.ClientAuth = tls.RequireAnyClientCert
			cert := conf.Certificates[0]
			conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				time.Sleep(100 * time.Millisecond) // a handshake takes that long, as it does from afar, and so may the verdict
				return &cert, nil
			}
			conf.Certificates = nil
			s := startUpstream(t, conf, echo)
			cfg := DialConfig{Addr: s.addr, TLS: client}
			p, err := Dial(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			eventually(t, "the pool does not say why", func() bool { return poolkit.IsPermanent(p.Stats().LastError) })
			says(t, p.Stats().LastError, "certificate", s.addr, "the server refused what TLS offered")

			client.Certificates = []tls.Certificate{cert}
			use(t, poolOf(t, 4, cfg))
		})
	}
}

func TestAServerThatAsksForACertificateAndSendsNoTickets(t *testing.T) {
	conf, client := certificate(t)
	conf.ClientAuth = tls.RequestClientCert
	conf.SessionTicketsDisabled = true
	s := startUpstream(t, conf, greet)
	p := poolOf(t, 4, DialConfig{Addr: s.addr, TLS: client})
	l := acquire(t, p)
	defer l.Discard()
	got := make([]byte, 7)
	if _, err := io.ReadFull(l.Conn(), got); err != nil || string(got) != "welcome" {
		t.Errorf("the greeting is %q, %v", got, err)
	}
}

// From 0.0.0.0 one arrives at 127.0.0.1, which is not the address that was tried.
func TestAServerThatIsReachedElsewhereIsDialledAtThePaceOfFailures(t *testing.T) {
	up := startUpstream(t, nil, func(c net.Conn) { c.Close() })
	_, port, err := net.SplitHostPort(up.addr)
	if err != nil {
		t.Fatal(err)
	}
	_, client := certificate(t)
	p, err := Dial(DialConfig{Addr: "0.0.0.0:" + port, TLS: client, MinCapacity: 1, MaxCapacity: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	eventually(t, "there are no failures", func() bool { return p.Stats().Failed >= 2 })
	n, _ := up.counts()
	if failed := int(p.Stats().Failed); n > 3*failed+3 {
		t.Errorf("%d connections for %d failures", n, failed)
	}
}

// faceless is a connection that does not tell where it leads.
type faceless struct {
	net.Conn
	closed *atomic.Int32
}

func (faceless) RemoteAddr() net.Addr { return nil }

func (n faceless) Close() error {
	n.closed.Add(1)
	return n.Conn.Close()
}

func TestAConnectionThatDoesNotTellWhereItLeadsIsUsedAndClosed(t *testing.T) {
	var made, closed atomic.Int32
	p, err := Dial(DialConfig{
		Addr: "127.0.0.1:1", MinCapacity: 1, MaxCapacity: 1,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			made.Add(1)
			c, _ := net.Pipe()
			return faceless{c, &closed}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ready(t, p, 1)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if made.Load() != closed.Load() {
		t.Errorf("%d were made, and %d closed", made.Load(), closed.Load())
	}
}

func TestWhoWouldRatherKnowThanWaitIsToldThatNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	for name, dial := range map[string]func(DialConfig) (*pool, error){"Dial": Dial, "DialPeer": DialPeer} {
		p, err := dial(DialConfig{Addr: addr, FailFast: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Acquire(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
	}
}
