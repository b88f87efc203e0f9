// Package compattest tests what the compatibility pools of all backends promise alike.
package compattest

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Pool is the compatibility API.
type Pool interface {
	ClientManager()
	ServerManager()
	OutgoingGet(id string, timeout time.Duration) (net.Conn, error)
	IncomingGet(timeout time.Duration) (string, net.Conn, error)
	Active() int
	Capacity() int
	Interval() time.Duration
	ShardCount() int
	Ready() bool
	AddError()
	ErrorCount() int
	ResetError()
	Flush()
	Close()
}

// Backend makes pools that have not been started, in a bubble of virtual time. The server
// and one client may be open at once.
type Backend struct {
	Name string // the package

	// Delay is how long it takes from the start of a client until it has connections.
	Delay time.Duration

	Server func(maxCap int) Pool
	Client func(minCap, maxCap int, minIvl, maxIvl time.Duration) Pool
	Lost   func() Pool // a client of another server, which does not answer

	// Attempts is how often Client has tried to connect.
	Attempts func() int
}

// Factory returns the backend of one test, which is t. It is called in the bubble.
type Factory func(t *testing.T) Backend

// pools returns a server and a client of n members. They are closed with the test.
func (b Backend) pools(t *testing.T, n int) (server, client Pool) {
	server, client = b.Server(n), b.Client(n, n, 100*time.Millisecond, time.Second)
	t.Cleanup(server.Close)
	t.Cleanup(client.Close)
	return server, client
}

// Run tests a backend, in subtests.
func Run(t *testing.T, f Factory) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, Backend)
	}{
		{"ManagersReturnAtOnceAndMayBeCalledAgain", managers},
		{"OnlyTheManagerConnects", notStarted},
		{"AGetterMayBeCalledBeforeTheManager", getterFirst},
		{"ReadyLastsFromConstructionToClose", readiness},
		{"ABlockedGetterReturnsAtOnceOnClose", func(t *testing.T, b Backend) { blockedGetters(t, b, true) }},
		{"ABlockedGetterOfAPoolThatWasNotStartedReturnsAtOnceOnClose", func(t *testing.T, b Backend) { blockedGetters(t, b, false) }},
		{"AMalformedIDFailsAtOnce", malformedID},
		{"AnUnknownIDFailsExactlyAtTheTimeout", unknownID},
		{"AVainWaitForAnyEndsExactlyAtTheTimeout", vainWait},
		{"BoundsAreOrderedAndDefaulted", bounds},
		{"OnlyTheUserCountsErrors", userErrors},
		{"FlushDoesNotNeedARunningPool", flushAtAnyTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.test(t, f(t)) })
		})
	}
}
