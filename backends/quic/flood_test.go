package quic

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"
)

// The tests here are about clients that want to do harm, and about what somebody else
// notices of that, who has a pool of 20 streams.

// forgery is a server's socket on a network where packets may have a forged sender:
// those from one host say whom they claim to be from.
type forgery struct {
	net.PacketConn
	forger net.Addr
}

func (f *forgery) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := f.PacketConn.ReadFrom(p)
	if err != nil || from.String() != f.forger.String() {
		return n, from, err
	}
	claimed := nth(int(binary.BigEndian.Uint32(p)))
	return copy(p, p[4:n]), claimed, nil
}

func (f *forgery) WriteTo(p []byte, to net.Addr) (int, error) {
	if !hosts10.Contains(to.(*net.UDPAddr).AddrPort().Addr().Unmap()) {
		return len(p), nil // nobody is there
	}
	return f.PacketConn.WriteTo(p, to)
}

// hosts10 are the addresses of a world's hosts.
var hosts10 = netip.MustParsePrefix("10.0.0.0/29")

// forge returns a packet that claims to be from the nth address and to begin a
// connection. Its contents are noise, which only whoever decrypts it can tell.
func forge(n int) []byte {
	const size = 1200 // the least a client's first packet may have (RFC 9000, section 14.1)
	p := binary.BigEndian.AppendUint32(nil, uint32(n))
	p = append(p, 0xc3, 0, 0, 0, 1, 8) // an Initial packet of version 1, to an ID of 8 bytes
	p = append(p, make([]byte, 8)...)
	_, _ = rand.Read(p[len(p)-8:])
	p = append(p, 0, 0) // from an ID of no bytes, without a token
	rest := 4 + size - len(p) - 2
	p = binary.BigEndian.AppendUint16(p, 0x4000|uint16(rest))
	noise := make([]byte, rest)
	_, _ = rand.Read(noise)
	return append(p, noise...)
}

// attack is what somebody does to a server for some seconds.
type attack struct {
	at    *foreigner // the attacker's end
	until time.Time
}

func (a *attack) goesOn() bool { return time.Now().Before(a.until) }

// connect returns a connection, or nil where none is to be had.
func (a *attack) connect(w *world, conf *quicgo.Config) *quicgo.Conn {
	ctx, cancel := context.WithTimeout(w.Context(), time.Second)
	defer cancel()
	conn, err := a.at.Dial(ctx, w.Socket(serverHost).LocalAddr(), a.at.tls, conf)
	if err != nil {
		return nil
	}
	return conn
}

// each calls do on so many connections for as long as the attack lasts.
func (a *attack) each(w *world, conns int, conf *quicgo.Config, do func(*quicgo.Conn)) {
	for i := range conns {
		go func() { // ends with the attack, or the connection
			time.Sleep(time.Duration(i) * time.Millisecond)
			conn := a.connect(w, conf)
			if conn == nil {
				w.Error("the attacker could not connect")
				return
			}
			for a.goesOn() && conn.Context().Err() == nil {
				do(conn)
			}
		}()
	}
}

// open opens a stream, or waits until one may be.
func (a *attack) open(conn *quicgo.Conn) *quicgo.Stream {
	ctx, cancel := context.WithDeadline(conn.Context(), a.until)
	defer cancel()
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil
	}
	return s
}

func withDatagrams() *quicgo.Config {
	c := foreignSettings()
	c.EnableDatagrams = true
	return c
}

// attacks, by what is done. Each begins and returns.
var attacks = map[string]func(w *world, a *attack){
	"streams that never ask for an ID": func(w *world, a *attack) {
		a.each(w, 30, foreignSettings(), func(conn *quicgo.Conn) {
			var last *quicgo.Stream
			for {
				s, err := conn.OpenStream()
				if err != nil {
					break
				}
				last = s
			}
			if last != nil {
				_, _ = last.Write([]byte{0}) // opens all that came before it, too
			}
			time.Sleep(100 * time.Millisecond)
		})
	},
	"connections without streams": func(w *world, a *attack) {
		a.each(w, 200, foreignSettings(), func(*quicgo.Conn) { time.Sleep(time.Second) })
	},
	"streams that are reset at once": func(w *world, a *attack) {
		a.each(w, 4, foreignSettings(), func(conn *quicgo.Conn) {
			if s := a.open(conn); s != nil {
				_, _ = s.Write([]byte{0})
				reset(s, 9)
			}
			time.Sleep(time.Millisecond)
		})
	},
	"streams that are reset when they have an ID": func(w *world, a *attack) {
		a.each(w, 30, foreignSettings(), func(conn *quicgo.Conn) {
			for range 16 {
				if s := a.open(conn); s != nil {
					go func() {
						_, _ = ask(s)
						reset(s, 9)
					}()
				}
			}
			time.Sleep(100 * time.Millisecond)
		})
	},
	"streams full of what nobody reads": func(w *world, a *attack) {
		junk := make([]byte, 64<<10)
		a.each(w, 2, foreignSettings(), func(conn *quicgo.Conn) {
			s := a.open(conn)
			if s == nil {
				return
			}
			_, _ = ask(s)
			_ = s.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = s.Write(junk)
		})
	},
	"datagrams": func(w *world, a *attack) {
		junk := make([]byte, 1000)
		a.each(w, 4, withDatagrams(), func(conn *quicgo.Conn) {
			for range 20 {
				_ = conn.SendDatagram(junk)
			}
			time.Sleep(20 * time.Millisecond)
		})
	},
	"handshakes that are complete": func(w *world, a *attack) {
		go func() {
			for a.goesOn() {
				go a.connect(w, foreignSettings())
				time.Sleep(10 * time.Millisecond)
			}
		}()
	},
	"handshakes that are begun only": func(w *world, a *attack) {
		go func() {
			for a.goesOn() {
				go func() {
					ctx, cancel := context.WithTimeout(w.Context(), rtt/2)
					defer cancel()
					_, _ = a.at.Dial(ctx, w.Socket(serverHost).LocalAddr(), a.at.tls, foreignSettings())
				}()
				time.Sleep(10 * time.Millisecond)
			}
		}()
	},
	"forged first packets": func(w *world, a *attack) {
		go func() {
			for i := 0; a.goesOn(); i++ {
				_, _ = a.at.Conn.WriteTo(forge(0x40000000+i), w.Socket(serverHost).LocalAddr())
				time.Sleep(time.Millisecond)
			}
		}()
	},
	"noise": func(w *world, a *attack) {
		go func() {
			for i := range 1 << 20 {
				if !a.goesOn() {
					return
				}
				noise := make([]byte, 4+i%1200) // in a world with forgeries, from anywhere
				_, _ = rand.Read(noise)
				_, _ = a.at.Conn.WriteTo(noise, w.Socket(serverHost).LocalAddr())
				time.Sleep(time.Millisecond)
			}
		}()
	},
}

// forged says which attacks need forgeries.
var forged = map[string]bool{"forged first packets": true, "noise": true}

// service is how long things take that an application does.
type service struct{ take, refill, talk time.Duration }

// serve takes a stream at both ends, waits until another has come in its place, and
// talks.
func (w *world) serve(client, server *Pool) service {
	w.Helper()
	begun := time.Now()
	took := func() time.Duration {
		d := time.Since(begun)
		begun = time.Now()
		return d
	}
	id, c, err := client.IncomingGet(time.Second)
	if err != nil {
		w.Fatal(err)
	}
	s, err := server.OutgoingGet(id, time.Second)
	if err != nil {
		w.Fatal(err)
	}
	var got service
	got.take = took()
	waitIdle(w, client, 20)
	got.refill = took()
	usable(w, c, s)
	got.talk = took()
	abort(c.(*StreamConn))
	abort(s.(*StreamConn))
	return got
}

func TestAnAttackDisturbsNobodyAndCostsABoundedAmount(t *testing.T) {
	for name, begin := range attacks {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				const lasts = 3 * time.Second
				cfg := acceptorConfig{}
				attacker := w.foreign(clientHost, alpn)
				if forged[name] {
					cfg.socket = &forgery{w.Socket(serverHost), attacker.Conn.LocalAddr()}
				}
				core, a := w.guarded(cfg)
				server := asPool(core)
				client := w.clientAt(thirdHost, 20, 20)
				w.full(20, client)
				time.Sleep(time.Second)
				quiet := w.serve(client, server)
				time.Sleep(time.Second)

				act := &attack{at: attacker, until: time.Now().Add(lasts)}
				begin(w, act)
				served, most := 0, 0
				for act.goesOn() {
					if got := w.serve(client, server); got != quiet {
						t.Errorf("when it is quiet: %+v, under attack: %+v", quiet, got)
					}
					served++
					most = max(most, core.Stats().Open())
					time.Sleep(rtt)
				}
				conns := a.connections()
				t.Logf("%+v, %d times; %d connections and up to %d streams in all", quiet, served, conns, most)
				if quiet != (service{take: 0, refill: rtt, talk: rtt}) || served < 10 {
					t.Errorf("%d times %+v", served, quiet)
				}
				if conns > 1000 || most > 30*places+20 {
					t.Errorf("%d connections, %d streams", conns, most)
				}
				time.Sleep(time.Minute + serverVacancy)
				synctest.Wait()
				if n := a.connections(); n != 1 && core.Stats().Open() == 20 {
					t.Errorf("%d connections without streams two minutes later", n-1)
				}
				attacker.Close()
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := a.connections(); n != 1 {
					t.Errorf("%d connections when all is over", n)
				}
				if s := core.Stats(); s.Open() != 20 {
					t.Errorf("%d streams when all is over", s.Open())
				}
			})
		})
	}
}

// asPool makes a compatibility pool of a core.
func asPool(core *native) *Pool {
	p := newPool(20, 20, time.Second)
	p.core.Store(core)
	return p
}

// The victim of forged packets has to prove its address: that is all.
func TestForgedPacketsLockNobodyOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		attacker := w.foreign(clientHost, alpn)
		_, a := w.guarded(acceptorConfig{
			socket: &forgery{w.Socket(serverHost), attacker.Conn.LocalAddr()},
			limits: Limits{Connections: 1},
		})
		const victim = 10<<24 | (thirdHost + 1)
		before := runtime.NumGoroutine()
		var flood sync.WaitGroup
		flood.Go(func() {
			for range 4000 {
				_, _ = attacker.Conn.WriteTo(forge(victim), w.Socket(serverHost).LocalAddr())
				time.Sleep(time.Millisecond)
			}
		})
		defer flood.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		// There are four goroutines for each handshake that has been begun.
		if n, most := runtime.NumGoroutine()-before, 4*(2+3)*defaultLimits.RetryAbove+10; n > most {
			t.Errorf("%d goroutines more, want %d at most", n, most)
		}
		if n := len(a.guard.accounts); n != 0 {
			t.Errorf("%d accounts", n)
		}
		client := w.clientAt(thirdHost, 20, 20)
		begun := time.Now()
		w.full(20, client)
		if took := time.Since(begun); took != 3*rtt && took != 2*rtt { // seldom, it comes just in time for a token
			t.Errorf("the victim was full after %v, want %v", took, 3*rtt)
		}
		if n := a.connections(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestAConnectionThatCarriesNoStreamForAMinuteIsClosed(t *testing.T) {
	for name, idle := range map[string]func(conn *quicgo.Conn){
		"it opens none": func(*quicgo.Conn) {},
		"it opens some without asking for an ID": func(conn *quicgo.Conn) {
			for range 10 {
				if _, err := conn.OpenStream(); err != nil {
					return
				}
			}
			if s, err := conn.OpenStream(); err == nil {
				_, _ = s.Write([]byte{1})
			}
		},
		"it ends the one that it had": func(conn *quicgo.Conn) {
			if s, err := conn.OpenStream(); err == nil {
				_, _ = ask(s)
				reset(s, 9)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				_, a := w.guarded(acceptorConfig{})
				conn := w.foreign(clientHost, alpn).connect(w.Socket(serverHost).LocalAddr())
				other := w.foreign(thirdHost, alpn).connect(w.Socket(serverHost).LocalAddr())
				s, err := other.OpenStream()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ask(s); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				idle(conn)
				<-conn.Context().Done()
				var closed *quicgo.ApplicationError
				if err := context.Cause(conn.Context()); !errors.As(err, &closed) || !closed.Remote || closed.ErrorCode != codeDone {
					t.Errorf("the client is told %v", err)
				}
				if took := time.Since(begun); took < serverVacancy-beat || took > serverVacancy+beat+3*rtt {
					t.Errorf("the connection was closed after %v", took)
				}
				time.Sleep(time.Hour)
				if err := context.Cause(other.Context()); err != nil || a.connections() != 1 {
					t.Errorf("a connection with a stream was closed: %v", err)
				}
			})
		})
	}
}

// A minute is longer than our own clients keep a connection that they do not need.
func TestAClientIsTheFirstToCloseAConnectionThatItDoesNotNeed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		_, a := w.guarded(acceptorConfig{})
		conn := make(chan *quicgo.Conn, 1)
		client := w.dial(DialConfig{MinCapacity: 1, MaxCapacity: 1})
		l, err := client.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn <- l.Conn().conn.Conn
		client.Resize(0, 0)
		l.Discard()
		c := <-conn
		begun := time.Now()
		<-c.Context().Done()
		var closed *quicgo.ApplicationError
		if err := context.Cause(c.Context()); !errors.As(err, &closed) || closed.Remote {
			t.Errorf("the connection ended with %v", err)
		}
		if took := time.Since(begun); took < vacancy || took >= serverVacancy {
			t.Errorf("after %v", took)
		}
		time.Sleep(rtt)
		synctest.Wait()
		if n := a.connections(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}
