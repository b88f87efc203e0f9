package tcp

import (
	"net"
	"time"
)

// setKeepAlive makes the system look after a connection, where it is one of TCP.
func setKeepAlive(c net.Conn, probes net.KeepAliveConfig) {
	if t, ok := c.(interface {
		SetKeepAliveConfig(config net.KeepAliveConfig) error
	}); ok {
		_ = t.SetKeepAliveConfig(probes) // fails where it has ended
	}
}

// defaultKeepAlive finds out within half a minute.
var defaultKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// keepAliveEvery is the keep-alive of a compatibility pool: a silent peer is asked after
// that period, and given up when it has not answered for as long again.
func keepAliveEvery(period time.Duration) net.KeepAliveConfig {
	if period <= 0 {
		return defaultKeepAlive
	}
	const probes = 3
	return net.KeepAliveConfig{Enable: true, Idle: period, Interval: max(period/probes, time.Second), Count: probes}
}
