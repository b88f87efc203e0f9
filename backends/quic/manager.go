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
	defer p.mu.Unlock()
	if p.started || p.closed {
		return
	}
	p.started = true
	p.opening.Go(p.manage) // ends when the core is open, at the latest with Close, which waits for it
}

// manage opens the core, and tries again until it is open, unless trying again
// cannot help. Meanwhile the getters fail with the reason.
func (p *Pool) manage() {
	for {
		core, err := p.open()
		if !p.set(core, err) {
			if core != nil {
				_ = core.Close()
			}
			return
		}
		if err == nil {
			return
		}
		p.log(err)
		if poolkit.IsPermanent(err) {
			return
		}
		timer := time.NewTimer(openAgain)
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			timer.Stop()
			return
		}
	}
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
