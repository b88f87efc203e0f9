package main

import (
	"context"
	"net"

	"github.com/vistone/poolkit/poolkit"
)

// conn is one end of a pipe. Closing either end closes both.
type conn struct {
	net.Conn
	id    poolkit.ID      // the same at both ends
	ended context.Context // done once the pipe is closed
	end   context.CancelFunc
}

func newPipe() (near, far *conn) {
	a, b := net.Pipe()
	id := poolkit.RandomID()
	ended, end := context.WithCancel(context.Background())
	return &conn{a, id, ended, end}, &conn{b, id, ended, end}
}

func (c *conn) Close() error {
	c.end()
	return c.Conn.Close()
}

// dialer makes pipes to whoever receives their far ends.
type dialer chan<- *conn

func (d dialer) Dial(ctx context.Context, _ int) (poolkit.ID, *conn, error) {
	near, far := newPipe()
	select {
	case d <- far:
		return near.id, near, nil
	case <-ctx.Done():
		near.Close()
		return poolkit.ID{}, nil, context.Cause(ctx)
	}
}

// config is what a pool has to know about pipes.
func config(server chan<- *conn) poolkit.Config[*conn] {
	return poolkit.Config[*conn]{
		Dialer: dialer(server),
		Shut:   (*conn).Close,
		Watch: func(c *conn, w poolkit.Watcher) (stop func() bool) {
			return context.AfterFunc(c.ended, w.Gone)
		},
		Healthy: func(c *conn) bool { return c.ended.Err() == nil },
	}
}
