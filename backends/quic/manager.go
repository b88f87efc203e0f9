package quic

import (
	"errors"
	"fmt"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// openAgain is how long the manager waits before it tries again to open a pool that
// could not be opened: an address that is taken may be given up.
const openAgain = time.Second

// ClientManager starts a pool of [NewClientPool]. It returns at once, and works when
// called with go as well. Further calls do nothing.
func (p *Pool) ClientManager() { p.start() }

// ServerManager starts a pool of [NewServerPool]. It returns at once, and works when
// called with go as well. Further calls do nothing.
func (p *Pool) ServerManager() { p.start() }

func (p *Pool) start() {
	p.mu.Lock()
	if p.started || p.closed {
		p.mu.Unlock()
		return
	}
	p.started = true
	p.opening.Add(1)
	p.mu.Unlock()
	// The first attempt is made here: a client that is started next finds the server's
	// socket open.
	if !p.tryOpen() {
		p.opening.Done()
		return
	}
	go p.manage() // ends when the core is open, at the latest with Close, which waits for it
}

// manage tries again to open the core until it is open, unless trying again cannot
// help. Meanwhile the getters fail with the reason.
func (p *Pool) manage() {
	defer p.opening.Done()
	timer := time.NewTicker(openAgain)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			return
		}
		if !p.tryOpen() {
			return
		}
	}
}

// tryOpen opens the core. It reports whether to try again.
func (p *Pool) tryOpen() (again bool) {
	core, err := p.open()
	if !p.set(core, err) {
		if core != nil {
			_ = core.Close() // nobody has seen it
		}
		return false
	}
	if err == nil {
		return false
	}
	p.log(err)
	return !poolkit.IsPermanent(err)
}

// set notes what came of opening the core. It reports false when the pool has been
// closed meanwhile.
func (p *Pool) set(core *poolkit.Pool[*StreamConn], err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if core != nil {
		p.core.Store(core)
	}
	p.err = err
	p.announce()
	return true
}

// announce wakes, under mu, whoever waits for the core.
func (p *Pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// running returns the core, or nil where there is none yet.
func (p *Pool) running() *poolkit.Pool[*StreamConn] { return p.core.Load() }

// Close closes the pool: getters that wait fail at once, every stream and
// connection is closed, and the port is free when it returns. Closing again, and
// closing a nil Pool, do nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.announce()
	}
	p.mu.Unlock()
	p.cancel()
	p.opening.Wait()
	core := p.running()
	if core == nil {
		return
	}
	if err := core.Close(); err != nil {
		p.log(fmt.Errorf("close: %w", err))
	}
}

// errClosed is what getters of a closed pool return.
var errClosed = fmt.Errorf("quic: %w", poolkit.ErrClosed)

// errNotStarted explains a timeout of a getter whose pool was never started.
var errNotStarted = errors.New("quic: the pool has not been started: call ClientManager or ServerManager")
