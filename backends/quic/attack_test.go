package quic

import (
	"context"
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	quicgo "github.com/quic-go/quic-go"

	"github.com/vistone/poolkit/poolkit"
)

// The tests here are about clients that want to do harm, and about what somebody else
// notices of that, who has a pool of 20 streams.

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
	"datagrams that say farewell": func(w *world, a *attack) {
		a.each(w, 4, withDatagrams(), func(conn *quicgo.Conn) {
			for range 20 {
				_ = conn.SendDatagram([]byte{noticeAway})
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
				const lasts = 2 * time.Second
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
	p := newPool(20, 20, time.Second, func(poolkit.Hooks) (*native, error) { return core, nil })
	p.ServerManager()
	return p
}
