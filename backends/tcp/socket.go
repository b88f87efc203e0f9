package tcp

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// socket is what package net does not offer: reads, writes and looks that do not
// wait. They allocate nothing.
type socket struct {
	raw                   syscall.RawConn
	deadline              func(time.Time) error // of reads
	doPeek, doGet, doInfo func(fd uintptr)      // peek, get and info, made once

	mu   sync.Mutex
	byte [1]byte // guarded by mu, as is all that follows: to peek into
	buf  []byte  // to read into
	n    int     // the answer of the latest call
	err  error   //
}

// socketOf returns the socket of a connection, or nil where it does not show one, or
// the system cannot look at it.
func socketOf(conn net.Conn) *socket {
	if !canLook {
		return nil
	}
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw, deadline: conn.SetReadDeadline}
	s.doPeek, s.doGet, s.doInfo = s.peek, s.get, s.info
	return s
}

// sight is what a look at a socket shows.
type sight uint8

const (
	quiet   sight = iota // nothing has arrived
	waiting              // bytes have, and wait to be read; the end may be behind them
	ended                // the peer has ended it, or it is broken or closed
)
