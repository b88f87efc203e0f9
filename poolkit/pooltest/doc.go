// Package pooltest puts backends of poolkit to the test, and gives their users' tests
// dialers and peers that misbehave.
//
// # The conformance suite
//
// [Run] opens pools of a backend, harasses them, and holds them to what package poolkit
// promises. A backend that passes can be relied upon: each member has one borrower at a
// time, none that has ended is handed out, nothing waits for a peer that does not
// answer, and Close leaves nothing behind. A test of a backend is little more than the
// answer to how its members are made:
//
//	func TestConformance(t *testing.T) {
//		pooltest.Run(t, func(tb testing.TB) pooltest.Backend[net.Conn] {
//			server := startServer(tb)
//			return pooltest.Backend[net.Conn]{
//				Config: tcp.Config(server.Addr()),
//				Echo:   pooltest.Echo[net.Conn],
//				Kill:   func(_ poolkit.ID, c net.Conn) { server.Kill(c.LocalAddr()) },
//			}
//		})
//	}
//
// The more of a [Backend] is filled in, the more is checked. What a check lacks, it
// says when it is skipped.
//
// [Run] is for whatever there is, real sockets too. It waits for what has to happen,
// generously, and never for time to pass. [RunInBubble] runs the same checks in the
// virtual time of [testing/synctest], for backends that wait for nothing outside: there
// it is quick and also sees what takes time that should not.
//
// # Misbehaviour
//
// [Slow], [Failing], [Flaky], [Panicking] and [Gated] spoil any dialer, and can be put
// one around the other; [Metered] counts. A [Gate] holds callers back until a test has
// looked. A [Peer] is a server in memory, which can be made to end connections, to turn
// callers away and to fall silent.
package pooltest
