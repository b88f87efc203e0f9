package compat

import (
	"errors"
	"fmt"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// openAgain is how long the manager waits before it tries again to open a pool that
// could not be opened: an address that is taken may be given up.
const openAgain = time.Second

// ErrNotStarted explains a time-out of a getter whose pool was never started.
var ErrNotStarted = errors.New("the pool has not been started: call ClientManager or ServerManager")

// Start opens the core, or begins to. It returns at once. Further calls do nothing.
func (p *Pool[C]) Start() {
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
func (p *Pool[C]) manage() {
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
func (p *Pool[C]) tryOpen() (again bool) {
	core, err := p.cfg.Open(p.hooks())
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
func (p *Pool[C]) set(core *poolkit.Pool[C], err error) bool {
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
func (p *Pool[C]) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Core returns the core, or nil where there is none yet.
func (p *Pool[C]) Core() *poolkit.Pool[C] { return p.core.Load() }

// Close closes the pool: getters that wait fail at once, and when it returns the core is
// closed. Closing again does nothing.
func (p *Pool[C]) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		p.announce()
	}
	p.mu.Unlock()
	p.cancel()
	p.opening.Wait()
	core := p.Core()
	if core == nil {
		return
	}
	if err := core.Close(); err != nil {
		p.log(fmt.Errorf("close: %w", err))
	}
}
