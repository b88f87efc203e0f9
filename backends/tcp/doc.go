// Package tcp pools TCP and TLS connections, each a [net.Conn] that is ready before
// anyone asks for it: connected, and with its TLS handshake done.
//
// There are two ways to use it.
//
// [Dial] returns a pool of connections to any server: a database, a cache, an HTTPS
// API. Whoever needs one acquires it and releases it for the next.
//
// Listen and DialPeer are for two programs that both use this package and meet on
// the same connections, each of which has an ID that both ends know.
package tcp
