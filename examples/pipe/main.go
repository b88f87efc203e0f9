// Pipe is a backend of poolkit, complete in pipe.go: it pools pipes in memory.
// docs/write-your-own-backend.md walks through it line by line.
//
//	go run ./examples/pipe
//
// starts a server that says everything in capitals, and talks to it over three members
// of a pool, one after the other.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/vistone/poolkit/poolkit"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pipe:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	pipes := make(chan *conn) // sent to by dials; closed once the pool is
	defer close(pipes)
	go serve(pipes) // ends then

	pool, err := poolkit.New(config(pipes))
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, word := range []string{"any", "member", "will do"} {
		lease, err := pool.Acquire(context.Background())
		if err != nil {
			return err
		}
		answer, err := ask(lease.Conn(), word)
		if err != nil {
			lease.Discard()
			return err
		}
		lease.Release()
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return err
		}
	}
	return nil
}

func ask(c io.ReadWriter, question string) (answer string, err error) {
	if _, err := io.WriteString(c, question); err != nil {
		return "", err
	}
	b := make([]byte, len(question))
	_, err = io.ReadFull(c, b)
	return string(b), err
}

func serve(pipes <-chan *conn) {
	for c := range pipes {
		go shout(c) // ends with the pipe
	}
}

func shout(c *conn) {
	defer c.Close()
	for b := make([]byte, 64); ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(bytes.ToUpper(b[:n])); err != nil {
			return
		}
	}
}
