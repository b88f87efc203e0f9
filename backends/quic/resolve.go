package quic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"

	"github.com/vistone/poolkit/backends/internal/compat"
	"github.com/vistone/poolkit/poolkit"
)

// A resolver returns the addresses of the servers, each as host:port.
type resolver func(context.Context) ([]string, error)

// fixed is a resolver of addresses that do not change.
func fixed(addrs ...string) resolver {
	return func(context.Context) ([]string, error) { return addrs, nil }
}

// hasty makes a resolver of a function that knows no context. It does not wait for the
// function when the context ends first.
func hasty(f func() (string, error)) resolver {
	return func(ctx context.Context) ([]string, error) {
		addr, err := compat.Hasty(ctx, resolving, f, nil)
		return []string{addr}, err
	}
}

// resolving is what a resolver is called that has panicked.
const resolving = "address resolver"

// catch is deferred: it turns the panic of a resolver into an error.
func catch(err *error) {
	if v := recover(); v != nil {
		*err = &poolkit.PanicError{Callback: resolving, Value: v, Stack: debug.Stack()}
	}
}

// resolve asks a resolver, and looks up the hosts it names. One that cannot be looked
// up is left out as long as there is another.
func resolve(ctx context.Context, r resolver) (targets []target, err error) {
	defer func() { err = poolkit.Permanent(err) }()
	defer catch(&err)
	addrs, err := r(ctx)
	if err != nil {
		return nil, fmt.Errorf("resolve the server's address: %w", err)
	}
	if len(addrs) == 0 {
		return nil, errors.New("the address resolver returned no address: return at least one host:port")
	}
	var problems error
	for _, addr := range addrs {
		t, err := lookUp(ctx, addr)
		if err != nil {
			problems = errors.Join(problems, err)
			continue
		}
		targets = append(targets, t)
	}
	if len(targets) == 0 {
		return nil, problems
	}
	return targets, nil
}

// lookUp returns the addresses that host:port means. IPv4 comes first, as it does in
// package net.
func lookUp(ctx context.Context, hostport string) (target, error) {
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return target{}, fmt.Errorf("the server's address must be host:port: %w", err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return target{}, fmt.Errorf("the port of the server's address %q: %w", hostport, err)
	}
	if port == 0 {
		return target{}, fmt.Errorf("the server's address %q has no port: nobody can be reached on port 0", hostport)
	}
	ips := make([]netip.Addr, 1)
	if ips[0], err = netip.ParseAddr(host); err != nil {
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return target{}, fmt.Errorf("look up the server's host: %w", err)
		}
	}
	t := target{host: host}
	for _, ip := range ips {
		t.addrs = append(t.addrs, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	slices.SortStableFunc(t.addrs, func(a, b netip.AddrPort) int { return a.Addr().BitLen() - b.Addr().BitLen() })
	return t, nil
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
