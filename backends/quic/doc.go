// Package quic pools QUIC streams: up to 128 on each connection, over 1 to 64
// connections, each stream a [net.Conn] that is ready before anyone asks for it.
//
// There are two ways to use it.
//
// [Dial] and [Listen] return a [poolkit.Pool] of [*StreamConn]. This is the way for
// new code: contexts, leases, statistics, drain.
//
// [NewClientPool] and [NewServerPool] return a [*Pool], the compatibility API. It is
// for users of github.com/vistone/quic, who change one import line, and talks to
// old peers on the same wire.
//
// # The wire
//
// A connection has the ALPN protocol np-quic. The client opens a stream and writes
// one byte, 0x00. The server answers with the four bytes of the stream's ID. From
// then on the stream belongs to the applications: either end can take it from its
// pool, any or by ID. Whatever else arrives in the exchange ends that stream alone.
//
// # Ending a stream
//
// A QUIC stream has two halves, and a connection's place for it is free again only
// when both have ended on both sides. [StreamConn.Close] sees to its own side:
// strictly, as [net.Conn] says, in a pool of Dial or Listen; gently in a
// compatibility pool, where many applications close as soon as they have finished
// writing and go on reading. Close says what that means.
//
// # What an ID is
//
// IDs are names, not secrets. A new one is drawn from crypto/rand, so that two are
// seldom the same, but 32 bits can be guessed, and both ends know those of all their
// streams. Whoever may take streams from a pool may take any of them. So do not let an
// ID prove anything: at a server of several clients, one that was told by one client
// may well name a stream of another's. [StreamConn.ConnectionState] and
// [StreamConn.RemoteAddr] say whose it is.
//
// # What a server is protected from
//
// TLS proves who is there: to tell clients apart, ask for certificates. Apart from
// that a server protects itself from those who want to do harm, or do it by mistake:
//
//   - Only addresses that are allowed may connect. Others are refused before the TLS
//     handshake. A connection that moves to one of those is closed within a second, and
//     no stream of it is handed out any more.
//   - No address may take all there is: see [Limits].
//   - When many handshakes come from addresses that may be forged, they have to be
//     proven first, which costs new clients one round trip and known ones none.
//   - A stream whose client does not ask for its ID is reset after ten seconds. A
//     connection that has had no stream with an ID for a minute is closed; our own
//     clients close theirs after half of that.
//
// Closing codes of connections are 0 for no longer needed, 2 for no room, 3 for
// silent, 5 for an address that is not allowed, and 6 for one that is over its limits,
// which is also the code of streams that are one too many.
package quic
