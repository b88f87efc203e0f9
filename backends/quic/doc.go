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
package quic
