package quic

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"

	"github.com/vistone/poolkit/poolkit"
)

// A resolver returns the address of the server, as host:port.
type resolver func(context.Context) (string, error)

// hasty makes a resolver of a function that knows no context. When the context ends
// first, it does not wait for the function, whose goroutine ends when it returns.
func hasty(f func() (string, error)) resolver {
	return func(ctx context.Context) (string, error) {
		type answer struct {
			addr string
			err  error
		}
		answers := make(chan answer, 1)
		go func() {
			var a answer
			defer func() { answers <- a }()
			defer catch(&a.err)
			a.addr, a.err = f()
		}()
		select {
		case a := <-answers:
			return a.addr, a.err
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// catch is deferred: it turns the panic of a resolver into an error.
func catch(err *error) {
	if v := recover(); v != nil {
		*err = &poolkit.PanicError{Callback: "address resolver", Value: v, Stack: debug.Stack()}
	}
}

// resolve asks a resolver, and looks up the host it names. IPv4 comes first, as it
// does in package net.
func resolve(ctx context.Context, r resolver) (addr *net.UDPAddr, err error) {
	defer func() { err = poolkit.Permanent(err) }()
	defer catch(&err)
	hostport, err := r(ctx)
	if err != nil {
		return nil, fmt.Errorf("resolve the server's address: %w", err)
	}
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("the server's address must be host:port: %w", err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, fmt.Errorf("the port of the server's address %q: %w", hostport, err)
	}
	if port == 0 {
		return nil, fmt.Errorf("the server's address %q has no port: nobody can be reached on port 0", hostport)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port))), nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up the server's host: %w", err)
	}
	best := ips[0]
	for _, ip := range ips {
		if ip.Unmap().Is4() {
			best = ip.Unmap()
			break
		}
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(best, uint16(port))), nil
}

// checkAddress reports what is wrong with an address to listen on.
func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("the address to listen on must be host:port, such as 0.0.0.0:4433: %w", err)
	}
	if n, err := strconv.Atoi(port); err == nil && (n < 0 || n > 65535) {
		return fmt.Errorf("the address to listen on, %q: ports end at 65535", addr)
	}
	return nil
}
