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

// keepAliveEvery is the keep-alive of a compatibility pool: a silent peer is asked after
// that period, and given up when it has not answered for as long again.
func keepAliveEvery(period time.Duration) net.KeepAliveConfig {
	if period <= 0 {
		return net.KeepAliveConfig{}
	}
	const probes = 3
	return net.KeepAliveConfig{Enable: true, Idle: period, Interval: max(period/probes, time.Second), Count: probes}
}
