// Package tcp pools TCP and TLS connections, each a [net.Conn] that is ready before
// anyone asks for it: connected, and with its TLS handshake done.
//
// There are two ways to use it.
//
// [Dial] returns a pool of connections to any server: a database, a cache, an HTTPS
// API. Whoever needs one acquires it and releases it for the next. Package
// poolkit/poolnet puts clients of databases, caches and HTTP on top of it, as they are.
//
// [Listen] and [DialPeer] are for two programs that both use this package and meet on
// the same connections, each of which has an ID that both ends know. [NewClientPool] and
// [NewServerPool] are the same in the shape of package quic's compatibility API, for
// tunnels that can use either.
//
// # What is seen of a connection's end
//
// A connection is looked at when it is lent, when it comes back, and all the time
// between. Nothing is read that is the application's, and no goroutine waits for it.
//
//   - Before it is lent, and when it comes back, the socket is peeked at without
//     waiting: whether it has ended, and whether something has arrived. Each peek takes a
//     third of a microsecond, and is most of what Acquire and Release cost.
//   - On Linux one epoll instance for the process sees which idle connections end, by FIN
//     or RST, and they leave their pool at once. Each socket is registered once, for its
//     end alone, so that neither a lease nor what arrives costs anything there. On other
//     Unix systems idle sockets are peeked at every second.
//   - [DialConfig.Probe] asks the server, from time to time.
//
// Bytes that arrive unasked end a connection: they would be the next borrower's answer.
// A greeting is something else: until somebody has read or written, what the server sends
// waits for whoever comes first. With TLS, session tickets, key updates and the like are
// no bytes in this sense. They are taken in when a connection comes back, and
// close_notify is an end. Of a connection that nobody has used nothing is taken in, so that
// there close_notify is not seen before the end of TCP, which as a rule comes with it.
//
// No look at a socket can see that the other host is gone without a word, that the
// network drops everything, or that the server accepts and does not answer. The first two
// are found by [DialConfig.KeepAlive] within 30 s, all of them by Probe. Nor can be seen
// what happens between the look and the first use: a request that failed on a connection
// that was just lent may have been unlucky. What a [DialConfig.DialContext] returns may
// have no socket, on Windows no socket can be peeked at: there Probe has to do.
//
// # What happens when a server fails
//
// Every dial looks its names up, and goes on from one address and one server to the next
// until a connection is ready for use: connected, through the TLS handshake and Prepare.
// Only when all have failed does the pool see a failure, with the errors of all. What
// failed is left alone for a while; see [DialConfig.Addr]. What is our own fault, such as
// too many open files, is held against no server.
//
// An error that waiting will not cure is permanent, and told to those who wait at once:
// a certificate that is wrong, ours or the server's, a host name that nobody has, a server
// without TLS. With several servers it is permanent only if that is so for all. After any
// other failure callers wait, to their own deadline, and the pool tries again.
//
// # Goroutines
//
// Apart from those of package poolkit there is one for the process, as long as there is a
// pool with a socket: it waits for the end of all of them. [poolkit.Pool.Close] of the
// last pool waits for it.
//
// # The wire
//
// When a connection of DialPeer is up, and with it TLS if that is used, the server sends
// the four bytes of the connection's ID. The client sends nothing. From then on the
// connection belongs to the applications: either end can take it from its pool, any or by
// ID. The client reads those four bytes and not one more: what follows is for whoever takes
// the connection.
//
// Setting up a connection takes a client one round trip for TCP, one for TLS 1.3, and one
// for the ID.
//
// # An idle connection that the other end has taken
//
// There is no word on the wire for taking a connection: the other end has taken it when its
// bytes arrive. An idle connection that the other end has closed without a byte leaves its
// pool at once. One that it has closed after some bytes is kept for a minute for who asks
// for its ID, which may be on its way; nobody else gets it any more.
//
// # What an ID is
//
// IDs are names, not secrets. A new one is drawn from crypto/rand, so that two are seldom
// the same, but 32 bits can be guessed, and both ends know those of all their connections.
// At a server of several clients, an ID that was told by one client may well name a
// connection of another's. [Conn.ConnectionState] and [Conn.RemoteAddr] say whose it is.
//
// # What a server is protected from
//
// TLS proves who is there: to tell clients apart, ask for certificates. Apart from that a
// server protects itself from those who want to do harm, or do it by mistake. Only
// addresses that are allowed may connect, no address may take all there is ([Limits]), and
// a connection that has no ID after ten seconds is ended. Who is refused is refused before
// a byte is read or written. While the process has no descriptors left, the server waits,
// at most two and a half seconds at a time, and goes on when it has some.
package tcp
