// Package freeport finds ports that nobody uses.
package freeport

import (
	"fmt"
	"net"
)

// UDP returns addr, host:port, with a free port instead of port 0. Nothing reserves
// the port: whoever binds it first has it.
func UDP(addr string) (string, error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return "", fmt.Errorf("find a UDP port: %w", err)
	}
	return conn.LocalAddr().String(), conn.Close()
}
