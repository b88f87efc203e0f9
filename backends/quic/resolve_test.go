package quic

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

func TestAddressesAreResolved(t *testing.T) {
	for hostport, want := range map[string]string{
		"10.1.2.3:4433":         "10.1.2.3:4433",
		"[2001:db8::1]:4433":    "[2001:db8::1]:4433",
		"[::1]:1":               "[::1]:1",
		"[::ffff:10.1.2.3]:443": "10.1.2.3:443",
		"[fe80::1%7]:443":       "[fe80::1%7]:443",
		"10.1.2.3:65535":        "10.1.2.3:65535",
		"10.1.2.3:domain":       "10.1.2.3:53",
		"localhost:4433":        "127.0.0.1:4433", // IPv4 first
	} {
		addr, err := resolve(t.Context(), fixed(hostport))
		if err != nil {
			t.Errorf("%s: %v", hostport, err)
			continue
		}
		if got := addr[0].addrs[0].String(); got != want || len(addr) != 1 {
			t.Errorf("%s: %s, want %s", hostport, got, want)
		}
	}
}

func TestABadAddressIsAPermanentErrorThatQuotesIt(t *testing.T) {
	for hostport, mentions := range map[string]string{
		"":                "host:port",
		"10.1.2.3":        "10.1.2.3",
		"2001:db8::1":     "2001:db8::1",
		"[::1]":           "[::1]",
		"::1:4433":        "::1:4433",
		"10.1.2.3:":       "10.1.2.3:",
		"10.1.2.3:0":      "10.1.2.3:0",
		"10.1.2.3:65536":  "65536",
		"10.1.2.3:-1":     "-1",
		"10.1.2.3:nosuch": "nosuch",
		"10.1.2.3:4433:5": "10.1.2.3:4433:5",
		":4433":           "host",
	} {
		addr, err := resolve(t.Context(), fixed(hostport))
		if err == nil {
			t.Errorf("%q is resolved to %v", hostport, addr)
			continue
		}
		if !poolkit.IsPermanent(err) || !strings.Contains(err.Error(), mentions) {
			t.Errorf("%q: %v: permanent: %v", hostport, err, poolkit.IsPermanent(err))
		}
	}
}

func TestAHostThatDoesNotExistIsAPermanentError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // no test asks the network
	_, err := resolve(ctx, fixed("nowhere.invalid:4433"))
	if !poolkit.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

func TestWhatAResolverFailsWithIsToldAndPermanent(t *testing.T) {
	_, err := resolve(t.Context(), func(context.Context) ([]string, error) { return []string{"10.1.2.3:1"}, io.ErrNoProgress })
	if !errors.Is(err, io.ErrNoProgress) || !poolkit.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

func TestAResolverIsGivenTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrNoProgress)
	_, err := resolve(ctx, func(ctx context.Context) ([]string, error) { return nil, context.Cause(ctx) })
	if !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("%v", err)
	}
}

func TestAServerThatCannotBeFoundDoesNotHideTheOthers(t *testing.T) {
	targets, err := resolve(t.Context(), fixed("10.0.0.1:0", "10.0.0.2:4433", "nonsense", "[::1]:4433"))
	if err != nil {
		t.Fatal(err)
	}
	if len(targets) != 2 || targets[0].host != "10.0.0.2" || targets[1].host != "::1" {
		t.Errorf("%v", targets)
	}
	_, err = resolve(t.Context(), fixed("10.0.0.1:0", "nonsense"))
	if !poolkit.IsPermanent(err) || !strings.Contains(err.Error(), "10.0.0.1:0") || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("%v", err)
	}
	if _, err = resolve(t.Context(), fixed()); !poolkit.IsPermanent(err) {
		t.Errorf("no address at all: %v", err)
	}
}

func TestAPanicOfAResolverIsAPermanentErrorThatSaysWhere(t *testing.T) {
	for name, r := range map[string]resolver{
		"a value":         func(context.Context) ([]string, error) { panic("no address today") },
		"an error":        func(context.Context) ([]string, error) { panic(io.ErrNoProgress) },
		"a runtime error": func(context.Context) ([]string, error) { return ([][]string)(nil)[len(t.Name())], nil },
		"no resolver":     nil,
	} {
		addr, err := resolve(t.Context(), r)
		var p *poolkit.PanicError
		if addr != nil || !errors.As(err, &p) || !poolkit.IsPermanent(err) {
			t.Errorf("%s: %v, %v", name, addr, err)
			continue
		}
		if !strings.Contains(err.Error(), "address resolver") || p.Value == nil || len(p.Stack) == 0 {
			t.Errorf("%s: %v, with a stack of %d bytes", name, err, len(p.Stack))
		}
		var runtimeError runtime.Error
		if wants := strings.HasPrefix(name, "a runtime") || r == nil; errors.As(err, &runtimeError) != wants {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAddressToListenOnIsHostPort(t *testing.T) {
	for addr, good := range map[string]bool{
		"0.0.0.0:4433":   true,
		":4433":          true,
		":0":             true,
		"[::]:4433":      true,
		"localhost:4433": true,
		"127.0.0.1:":     true, // any, as in package net
		"":               false,
		"4433":           false,
		"127.0.0.1":      false,
		"::1:4433":       false,
		":65536":         false,
		":-1":            false,
	} {
		if err := checkAddress(addr); (err == nil) != good {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
