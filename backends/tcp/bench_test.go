package tcp

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
)

// poolOf starts a pool that is closed with the test, and waits until n connections are
// idle.
func poolOf(tb testing.TB, n int, cfg DialConfig) *pool {
	tb.Helper()
	if cfg.MinCapacity == 0 && cfg.MaxCapacity == 0 {
		cfg.MinCapacity, cfg.MaxCapacity = n, n
	}
	p, err := Dial(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.Close() })
	ready(tb, p, n)
	return p
}

// BenchmarkHit is an acquire and a release of a connection that stands ready.
func BenchmarkHit(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(name(secure), func(b *testing.B) {
			_, cfg := serverThat(b, secure, echo)
			p := poolOf(b, 1, cfg)
			b.ReportAllocs()
			for b.Loop() {
				l, err := p.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				l.Release()
			}
		})
	}
}

// BenchmarkLook is a look at a socket: a hit has two, at its beginning and its end.
func BenchmarkLook(b *testing.B) {
	s := startUpstream(b, nil, echo)
	look := socketOf(bare(b, s.addr, nil))
	b.ReportAllocs()
	for b.Loop() {
		if look.look() != quiet {
			b.Fatal("the socket is not quiet")
		}
	}
}

// BenchmarkUse is the same with a request and its answer between, so that TLS has
// something to look through.
func BenchmarkUse(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(name(secure)+"/pool", func(b *testing.B) {
			_, cfg := serverThat(b, secure, echo)
			p := poolOf(b, 1, cfg)
			b.ReportAllocs()
			for b.Loop() {
				l, err := p.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := exchange(l.Conn()); err != nil {
					b.Fatal(err)
				}
				l.Release()
			}
		})
		b.Run(name(secure)+"/kept", func(b *testing.B) {
			s, cfg := serverThat(b, secure, echo)
			conn := bare(b, s.addr, cfg.TLS)
			defer conn.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := exchange(conn); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name(secure)+"/dial", func(b *testing.B) {
			s, cfg := serverThat(b, secure, echo)
			dialled(b, s.addr, cfg.TLS)
		})
	}
	b.Run("tls/dial and resume", func(b *testing.B) {
		s, cfg := serverThat(b, true, echo)
		cfg.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		dialled(b, s.addr, cfg.TLS)
	})
}

// dialled makes a connection for each request.
func dialled(b *testing.B, addr string, conf *tls.Config) {
	b.ReportAllocs()
	for b.Loop() {
		conn := bare(b, addr, conf)
		if err := exchange(conn); err != nil {
			b.Fatal(err)
		}
		conn.Close()
	}
}

func bare(b *testing.B, addr string, conf *tls.Config) net.Conn {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	if conf == nil {
		return conn
	}
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(context.Background()); err != nil {
		b.Fatal(err)
	}
	return secure
}

func name(secure bool) string {
	if secure {
		return "tls"
	}
	return "plain"
}
