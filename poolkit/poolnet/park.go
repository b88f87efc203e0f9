package poolnet

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/vistone/poolkit/poolkit"
)

// gather parks what the pool has to give, until Close.
func (l *Listener[C]) gather() {
	for l.reserve() {
		lease, err := l.pool.Acquire(l.ctx)
		if err == nil {
			l.parking.Go(func() { l.park(lease) })
			continue
		}
		l.unreserve()
		if errors.Is(err, poolkit.ErrClosed) {
			l.parking.Wait() // whoever is parked may still speak
		}
		select {
		case l.failed <- err:
		case <-l.ctx.Done():
		}
	}
}

// reserve waits until one more may be parked. It reports false after Close.
func (l *Listener[C]) reserve() bool {
	if l.places == nil {
		return l.ctx.Err() == nil
	}
	select {
	case l.places <- struct{}{}:
		return l.ctx.Err() == nil
	case <-l.ctx.Done():
		return false
	}
}

func (l *Listener[C]) unreserve() {
	if l.places != nil {
		<-l.places
	}
}

// park waits until the peer speaks, and then until the connection is accepted. It ends
// when the peer ends the member instead, or with Close.
func (l *Listener[C]) park(lease poolkit.Lease[C]) {
	defer l.unreserve()
	full, c := lend(lease, false)
	if !l.enter(c) {
		lease.Release()
		return
	}
	n, err := c.member.Read(c.first[:])
	open := l.leave(c)
	switch {
	case !open && n == 0 && errors.Is(err, os.ErrDeadlineExceeded):
		if c.member.SetReadDeadline(time.Time{}) == nil {
			lease.Release()
			return
		}
	case n > 0:
		c.state.Store(heard)
		if l.announce(full) {
			return
		}
	}
	lease.Discard()
}

// enter notes that a member is parked, unless the listener has been closed.
func (l *Listener[C]) enter(c *conn[C]) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parked == nil {
		return false
	}
	l.parked[c] = struct{}{}
	return true
}

// leave notes that a member is parked no more. It reports false when the listener has
// been closed, which may have given the member a deadline.
func (l *Listener[C]) leave(c *conn[C]) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.parked, c)
	return l.parked != nil
}

// announce waits until Accept takes a connection. It reports false after Close.
func (l *Listener[C]) announce(c net.Conn) bool {
	select {
	case l.spoken <- c:
		return true
	case <-l.ctx.Done():
		return false
	}
}
