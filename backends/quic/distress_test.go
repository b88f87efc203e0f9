package quic

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

const (
	resilient    = 200                    // streams, on two connections
	everySoOften = 100 * time.Millisecond // somebody takes one,
	patiently    = 10 * time.Second       // waits as long as this,
	question     = 32                     // and sends as many bytes, which the server sends back
	glance       = 10 * time.Millisecond  // how exact the times are
	aftermath    = 15 * time.Second       // how long it goes on after the trouble
)

// distress is a client pool whose streams are taken all the time, and asked something
// that the server has to answer, while something happens to them.
type distress struct {
	*world
	client   *native
	dialer   *dialer
	server   *native
	acceptor *acceptor
	asking   sync.WaitGroup

	mu   sync.Mutex
	cost cost // guarded by mu
}

// cost is what came of it.
type cost struct {
	noticed  time.Duration // after the trouble began the client used none of its connections any more; 0: it goes on
	full     time.Duration // after the trouble was over it has had all its streams
	longest  time.Duration // anybody waited for a stream
	acquires int
	failed   int // of them, for lack of a stream
	useless  int // of them, since the stream brought no answer
}

// exceeds reports whether something of a cost is more than it may be.
func (c cost) exceeds(most cost) bool {
	return c.worse(most) != most.worse(cost{acquires: c.acquires})
}

// worse is the worse of two costs, number by number.
func (c cost) worse(other cost) cost {
	return cost{
		noticed:  max(c.noticed, other.noticed),
		full:     max(c.full, other.full),
		longest:  max(c.longest, other.longest),
		acquires: max(c.acquires, other.acquires),
		failed:   max(c.failed, other.failed),
		useless:  max(c.useless, other.useless),
	}
}

// serve starts the server: it takes each stream, and answers what it is asked.
func (d *distress) serve(secret bool) {
	d.Helper()
	cfg := acceptorConfig{socket: d.Socket(serverHost), tls: d.tls}
	var err error
	if secret {
		if cfg.keys, err = deriveKeys(bytes.Repeat([]byte{7}, minSecret)); err != nil {
			d.Fatal(err)
		}
	}
	if d.acceptor, err = listen(cfg); err != nil {
		d.Fatal(err)
	}
	if d.server, err = poolkit.New(d.acceptor.poolConfig(places, poolkit.Hooks{})); err != nil {
		d.Fatal(err)
	}
	server := d.server
	go func() { // ends with the pool
		for {
			l, err := server.Acquire(context.Background())
			if err != nil {
				return
			}
			go func() { // ends with the stream
				b := make([]byte, question)
				if _, err := io.ReadFull(l.Conn(), b); err == nil {
					_, _ = l.Conn().Write(b)
				}
				l.Release()
			}()
		}
	}()
}

// ask takes a stream, and asks the server something.
func (d *distress) ask() {
	ctx, stop := context.WithTimeout(d.Context(), patiently)
	defer stop()
	begun := time.Now()
	l, err := d.client.Acquire(ctx)
	waited := time.Since(begun)
	answered := false
	if err == nil {
		b := make([]byte, question)
		_, _ = l.Conn().Write(b) // a failure shows when reading
		_, failure := io.ReadFull(l.Conn(), b)
		answered = failure == nil
		l.Release()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cost.acquires++
	d.cost.longest = max(d.cost.longest, waited)
	switch {
	case err != nil:
		d.cost.failed++
	case !answered:
		d.cost.useless++
	}
}

// watch looks at the client until ctx ends. It returns after how long the last of the
// connections that it has now was found dead, and after how long a twentieth of its
// streams was last missing.
func (d *distress) watch(ctx context.Context) (noticed, full time.Duration) {
	begun := time.Now()
	conns := d.dialer.open()
	for ctx.Err() == nil {
		time.Sleep(glance)
		if d.client.Stats().Idle < resilient-resilient/20 {
			full = time.Since(begun)
		}
		for i, l := range conns {
			if l != nil && !l.usable() {
				conns[i], noticed = nil, time.Since(begun)
			}
		}
	}
	return noticed, full
}

// suffer returns what it costs when something happens.
func suffer(t *testing.T, happen func(*distress), seed uint64) (c cost) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Seed(seed)
		conf, err := clientTLS("0", "localhost")
		if err != nil {
			t.Fatal(err)
		}
		d := &distress{world: w, dialer: newDialer(fixed(w.Addr(serverHost)), conf, clientSettings(0), w.Socket(clientHost))}
		d.serve(true)
		if d.client, err = poolkit.New(d.dialer.poolConfig(resilient, resilient, nil, poolkit.Hooks{})); err != nil {
			t.Fatal(err)
		}
		defer func() { d.client.Close(); d.server.Close() }()
		ready(t, resilient, d.client)

		ctx, stop := context.WithCancel(t.Context())
		d.asking.Go(func() {
			for ctx.Err() == nil {
				d.asking.Go(d.ask)
				time.Sleep(everySoOften)
			}
		})
		chance := rand.New(rand.NewPCG(seed, 0))
		time.Sleep(5*beat + time.Duration(chance.Int64N(int64(10*beat)))) // anywhere between two beats
		d.mu.Lock()
		d.cost = cost{}
		d.mu.Unlock()
		var noticed, full time.Duration
		d.asking.Go(func() { noticed, full = d.watch(ctx) })
		begun := time.Now()
		happen(d)
		lasted := time.Since(begun)
		time.Sleep(aftermath)
		stop()
		d.asking.Wait()
		c = d.cost
		c.noticed, c.full = noticed, max(0, full-lasted)
	})
	return c
}
