package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/vistone/poolkit/backends/quic"
)

// fetchers is how many files an end fetches at a time.
const fetchers = 16

// fetch fetches files over streams that the other end announces, several at a time,
// and compares them with those on disk.
func (e *end) fetch(ctx context.Context, root *os.Root, todo iter.Seq[file], results chan<- fetched) {
	client := &http.Client{Transport: &http.Transport{
		DialContext:       e.dial,
		DisableKeepAlives: true, // each request on a stream of its own
	}}
	queue := make(chan file)
	var workers sync.WaitGroup
	for range fetchers {
		workers.Go(func() {
			for f := range queue {
				results <- e.fetchOne(ctx, client, root, f)
			}
		})
	}
	for f := range todo {
		if ctx.Err() != nil {
			break
		}
		queue <- f
	}
	close(queue)
	workers.Wait()
}

// dial returns the next stream that the other end has announced.
func (e *end) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	id, err := e.control.Next(ctx)
	if err != nil {
		return nil, err
	}
	return e.pool.OutgoingGet(id, patience)
}

func (e *end) fetchOne(ctx context.Context, client *http.Client, root *os.Root, want file) fetched {
	f := fetched{by: e.name, name: want.name}
	begun := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			f.wait = time.Since(begun)
			f.stream, f.connection = identify(info.Conn)
		},
	})
	var sum []byte
	sum, f.bytes, f.err = get(ctx, client, want.name)
	f.took = time.Since(begun)
	if f.err == nil {
		f.err = compare(root, want.name, sum)
	}
	if f.err != nil && want.changed(root) {
		f.err, f.changed = nil, true
	}
	return f
}

func get(ctx context.Context, client *http.Client, name string) (sum []byte, n int64, err error) {
	u := url.URL{Scheme: "http", Host: "pool", Path: "/" + name}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("GET %s: %s", u.Path, resp.Status)
	}
	h := sha256.New()
	n, err = io.Copy(h, resp.Body)
	return h.Sum(nil), n, err
}

func compare(root *os.Root, name string, sum []byte) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	if !bytes.Equal(sum, h.Sum(nil)) {
		return errMismatch
	}
	return nil
}

// identify returns a stream's ID and something that tells its connection from others:
// a value derived from the connection's TLS keys.
func identify(conn net.Conn) (stream, connection string) {
	s, ok := conn.(*quic.StreamConn)
	if !ok {
		return "", ""
	}
	state := s.ConnectionState()
	key, err := state.ExportKeyingMaterial("EXPORTER-quickstart", nil, 16)
	if err != nil {
		return s.ID().String(), ""
	}
	return s.ID().String(), string(key)
}
