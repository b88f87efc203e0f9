// Package nettest holds the connections of every backend against golang.org/x/net's
// own idea of a net.Conn. It is a module of its own so that poolkit does not require
// golang.org/x/net directly.
package nettest
