// Quickstart serves the files of a directory over pooled QUIC streams and fetches
// them at the other end, in both directions at once, each on a stream of its own.
// Then it says what happened.
//
//	go run ./examples/quickstart [directory]
//
// Without a directory it takes the repository it is started in. Read on in link.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/quickstart [directory]")
	}
	flag.Parse()
	if flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if dir == "" {
		root, err := repository()
		if err != nil {
			return err
		}
		dir = root
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files, err := list(root)
	if err != nil {
		return err
	}
	fmt.Println(files)

	begun := time.Now()
	l, err := connect(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	fmt.Printf("%d streams stand ready at both ends after %v\n",
		streams, time.Since(begun).Round(time.Millisecond))

	r := l.exchange(ctx, root, files)
	fmt.Printf("\n%v\n", r)
	if err := r.verdict(); err != nil {
		return err
	}
	fmt.Println("every file arrived as it is on disk")
	return nil
}

// repository finds the directory of go.mod, here or above.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("there is no go.mod here or above: name a directory whose files to serve")
		}
		dir = above
	}
}
