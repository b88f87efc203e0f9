package main

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/vistone/poolkit/backends/quic"
	"github.com/vistone/poolkit/examples/internal/control"
	"github.com/vistone/poolkit/examples/internal/freeport"
	"github.com/vistone/poolkit/examples/internal/ready"
	"github.com/vistone/poolkit/internal/selfsigned"
)

// streams is how many streams the pools keep ready. They fill four connections; those
// in use come on top, on a fifth.
const streams = 512

// patience is how long either end waits for a stream.
const patience = 10 * time.Second

// link is two pools, connected over loopback. Here both live in one process; in
// earnest each has a machine of its own.
type link struct {
	server, client *end
}

// end is one end of the link. Once connected, both ends can do the same: serve on
// streams they take and announce, and fetch over streams announced to them.
type end struct {
	name    string
	pool    *quic.Pool
	control *control.Stream
	serving sync.WaitGroup // the HTTP server and the streams it serves
}

// connect starts both pools and waits until their streams stand ready.
func connect(ctx context.Context) (*link, error) {
	cert, err := selfsigned.Certificate()
	if err != nil {
		return nil, err
	}
	addr, err := freeport.UDP("127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	server := quic.NewServerPool(
		streams,
		"127.0.0.1", // the only client allowed
		&tls.Config{Certificates: []tls.Certificate{cert}},
		addr,
		0, // ignored: the client keeps connections alive
	)
	server.ServerManager()

	client := quic.NewClientPool(
		streams, streams,
		100*time.Millisecond, time.Second,
		0,                // the default keep-alive
		"1", "localhost", // the certificate is self-signed
		func() (string, error) { return addr, nil },
	)
	client.ClientManager()

	l := &link{server: &end{name: "server", pool: server}, client: &end{name: "client", pool: client}}
	if err := l.open(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// open takes the control stream at both ends.
func (l *link) open(ctx context.Context) (err error) {
	for _, e := range []*end{l.client, l.server} {
		if e.control, err = control.Open(e.pool, patience); err != nil {
			return err
		}
	}
	return ready.Wait(ctx, streams, l.client.pool, l.server.pool)
}

// close ends everything: when it returns no stream, no connection and no goroutine
// of the link is left.
func (l *link) close() {
	for _, e := range []*end{l.client, l.server} {
		if e.control != nil {
			e.control.Close()
		}
		e.pool.Close()
	}
	l.client.serving.Wait()
	l.server.serving.Wait()
}
