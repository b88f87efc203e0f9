package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
)

// announcedAtOnce is how many streams an end has taken and announced at a time:
// somewhat more than the other end fetches over, so that one is always at hand.
const announcedAtOnce = 2 * fetchers

// serve serves files over HTTP until ctx ends. What it started then ends with the
// pool, and close waits for it.
func (e *end) serve(ctx context.Context, root *os.Root) error {
	l := &listener{end: e, places: make(chan struct{}, announcedAtOnce), closed: make(chan struct{})}
	server := &http.Server{
		Handler: handler(root),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				l.leave()
			}
		},
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

func handler(root *os.Root) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		file, err := root.Open(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.ServeContent(w, r, info.Name(), info.ModTime(), file)
	}
}

// listener makes a [net.Listener] of a pool: to accept is to take any stream and to
// tell the other end which.
type listener struct {
	*end
	places chan struct{} // holds a token for each stream taken and not closed yet
	closed chan struct{}
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
		l.serving.Add(1)
	case <-l.closed:
		return nil, net.ErrClosed
	}
	id, stream, err := l.pool.IncomingGet(patience)
	if err != nil {
		l.leave()
		return nil, err
	}
	if err := l.control.Announce(id); err != nil {
		stream.Close()
		l.leave()
		return nil, err
	}
	return stream, nil
}

func (l *listener) leave() {
	<-l.places
	l.serving.Done()
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	close(l.closed)
	return nil
}

// Addr implements [net.Listener]. A pool has no address to accept at.
func (l *listener) Addr() net.Addr { return &net.UDPAddr{} }
