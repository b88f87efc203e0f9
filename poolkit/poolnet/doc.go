// Package poolnet puts the libraries that you already use on top of a pool: whatever
// dials, and whatever accepts from a [net.Listener]. It serves any pool whose members
// are [net.Conn]s, such as those of backends/quic and backends/tcp, or your own.
//
// # Clients
//
// A [Dialer] lends a ready member wherever a library would dial:
//
//	dialer := poolnet.NewDialer(pool)
//
//	// net/http; for HTTP/2 without TLS add Protocols with UnencryptedHTTP2
//	transport := &http.Transport{DialContext: dialer.DialContext}
//
//	// gRPC
//	conn, err := grpc.NewClient("passthrough:///any",
//		grpc.WithContextDialer(dialer.DialAddr), grpc.WithTransportCredentials(insecure.NewCredentials()))
//
//	// go-redis
//	client := redis.NewClient(&redis.Options{Dialer: dialer.DialContext})
//
//	// pgx, and its pool; lib/pq, go-sql-driver and others have the like
//	config.DialFunc = dialer.DialContext
//
//	// golang.org/x/net/proxy
//	var _ proxy.ContextDialer = dialer
//
// The address that the library passes is not dialled. To a library the connection is
// plain, whatever the pool speaks below: over QUIC streams use http:// and insecure
// credentials, and nothing is sent in the clear.
//
// Close of a connection ends the member, and the pool makes the next. That is right
// for all of the above, which keep connections as long as they have use for them.
// [Dialer.Returning] is for users who dial for each exchange, and [Dialer.HandingOver]
// for libraries that must see the bare connection, such as a *tls.Conn.
//
// # Servers
//
// A [Listener] accepts the members of a pool, once their peers have spoken:
//
//	listener, err := poolnet.NewListener(pool, poolnet.ListenerConfig{})
//
//	err = server.Serve(listener) // *http.Server, *grpc.Server
//
// The pool may dial: that is a server which nobody can connect to, and which connects
// to its clients instead. There the client finds its server by name, with
// [Dialer.Choosing].
//
// # Costs
//
// A dial allocates once, and Read, Write and Close do not. Beyond what pool and member
// take, a dial and its Close cost 65 ns; a Read or Write costs 3 ns, or 6 ns where Close
// returns the member. That was on two cores on which the pool's own Acquire and Release
// take 29 ns. A listener has one goroutine, and one for each parked member until that is
// accepted: some 5 KiB for each.
package poolnet
