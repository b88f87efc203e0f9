package tcp

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// pass is one call of package net's dialer, which looks a server up and tries its
// addresses. It keeps the dialer from those that are ejected, and watches which fail.
type pass struct {
	*trial

	mu      sync.Mutex
	tried   []string // guarded by mu, as is all that follows: in that order
	skipped int      // because they are ejected
	over    bool
}

// errEjected is why an address is not tried.
var errEjected = errors.New("it failed lately")

// control is called for each address that is about to be tried. IPv4 and IPv6 race, so
// two goroutines may call it, and one of them when the race is over.
func (p *pass) control(_ context.Context, _, addr string, _ syscall.RawConn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over, slices.Contains(p.unfit, addr):
		return errEjected
	case !p.forced && !p.addresses.tryAddr(addr, time.Now()):
		p.skipped++
		return errEjected
	}
	p.tried = append(p.tried, addr)
	return nil
}

// judge ends the pass, and notes which addresses failed. The dialer does not tell, but
// it tries those of one family in turn: where there was a next, the one before had
// failed. How the one fares that won is not known yet.
func (p *pass) judge(ctx context.Context, conn net.Conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	now := time.Now()
	for i, addr := range p.tried {
		how := blame(ctx, err)
		if conn != nil {
			how = undecided
			if slices.ContainsFunc(p.tried[i+1:], func(next string) bool { return is6(next) == is6(addr) }) {
				how = failed
			}
			if addr == conn.RemoteAddr().String() {
				continue
			}
		}
		p.addresses.triedAddr(addr, how, now)
	}
}

// is6 reports whether an address, IP:port, is one of IPv6.
func is6(addr string) bool { return strings.HasPrefix(addr, "[") }
