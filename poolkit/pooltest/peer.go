package pooltest

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"

	"github.com/vistone/poolkit/poolkit"
	"github.com/vistone/poolkit/sizing"
)

// ErrRefused is the error of a dial to a [Peer] that refuses.
var ErrRefused = errors.New("pooltest: the peer refuses connections")

// A Peer is a server in memory, at the other end of [net.Pipe]. It is a
// [poolkit.Dialer], so that tests of what uses a pool need no network, also in virtual
// time. The zero Peer sends back what it reads. Its methods may be called by any
// goroutine at any time.
type Peer struct {
	// Serve, if set before the first dial, serves one connection until that has ended.
	// It runs on a goroutine of its own.
	Serve func(net.Conn)

	serving sync.WaitGroup // the goroutines of Serve
	silence Gate           // closed while the peer is silent

	mu      sync.Mutex
	refuses bool // guarded by mu, as is the rest
	open    int
	last    uint32 // ID
}

// Config returns the configuration of a pool that keeps n connections to the peer
// ready. It notices when one ends. Change what you like.
func (p *Peer) Config(n int) poolkit.Config[net.Conn] {
	return poolkit.Config[net.Conn]{
		Dialer: p,
		Shut:   net.Conn.Close,
		Watch: func(c net.Conn, w poolkit.Watcher) (stop func() bool) {
			return context.AfterFunc(c.(*pipe).ended, w.Gone)
		},
		Healthy:     func(c net.Conn) bool { return c.(*pipe).ended.Err() == nil },
		MinCapacity: n,
		MaxCapacity: n,
		Sizing:      sizing.Fixed(n),
		Closed: func() error {
			p.serving.Wait()
			return nil
		},
	}
}

// Dial opens a connection to the peer. IDs count from 00000001.
func (p *Peer) Dial(ctx context.Context, _ int) (poolkit.ID, net.Conn, error) {
	if err := p.silence.Pass(ctx); err != nil {
		return poolkit.ID{}, nil, err
	}
	near, far := newPipe()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses {
		return poolkit.ID{}, nil, ErrRefused
	}
	p.open++
	p.last++
	var id poolkit.ID
	binary.BigEndian.PutUint32(id[:], p.last)
	far.id = id
	p.serving.Go(func() { p.serve(far) }) // ends when either end is closed
	return id, near, nil
}

func (p *Peer) serve(c *pipe) {
	defer func() {
		_ = c.Close() // never fails
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}()
	if p.Serve != nil {
		p.Serve(quiet{c, &p.silence})
		return
	}
	echo(quiet{c, &p.silence})
}

// echo sends back what it reads.
func echo(c net.Conn) {
	for b := make([]byte, longest); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// Kill ends a connection, as if the peer had closed it.
func (p *Peer) Kill(c net.Conn) { _ = c.(*pipe).other.Close() } // never fails

// ID returns the ID under which the peer knows a connection.
func (p *Peer) ID(c net.Conn) poolkit.ID { return c.(*pipe).other.id }

// Open returns how many connections the peer serves.
func (p *Peer) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// Refuse makes dials fail with [ErrRefused], until Recover.
func (p *Peer) Refuse() { p.refuse(true) }

// Stall makes the peer fall silent, until Recover: dials wait, and what is sent is not
// answered.
func (p *Peer) Stall() { p.silence.Close() }

// Recover makes the peer serve again.
func (p *Peer) Recover() {
	p.refuse(false)
	p.silence.Open()
}

func (p *Peer) refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = yes
}
