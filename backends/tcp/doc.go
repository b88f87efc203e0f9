// Package tcp pools TCP and TLS connections, each a [net.Conn] that is ready before
// anyone asks for it: connected, and with its TLS handshake done.
//
// There are two ways to use it.
//
// [Dial] returns a pool of connections to any server: a database, a cache, an HTTPS
// API. Whoever needs one acquires it and releases it for the next. Package
// poolkit/poolnet puts clients of databases, caches and HTTP on top of it, as they are.
//
// Listen and DialPeer are for two programs that both use this package and meet on
// the same connections, each of which has an ID that both ends know.
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
// close_notify is an end.
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
package tcp
