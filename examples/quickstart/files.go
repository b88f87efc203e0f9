package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// What is served is bounded, so that the quickstart stays quick.
const (
	maxFiles    = 2000
	maxFileSize = 4 << 20
	maxBytes    = 64 << 20
)

// fetchesWanted is about how many fetches there are to be: a small directory is
// fetched several times.
const fetchesWanted = 2000

// files are those of a directory that are served, and how many are not.
type files struct {
	dir   string
	names []string // slash-separated, relative to dir
	bytes int64
	huge  int // how many were left out because they are larger than maxFileSize
	more  int // how many were left out beyond maxFiles or maxBytes
}

// list finds the files to serve. Only regular ones are, and none of .git.
func list(root *os.Root) (*files, error) {
	f := &files{dir: root.Name()}
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		f.add(name, info.Size())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", f.dir, err)
	}
	if len(f.names) == 0 {
		return nil, errors.New("nothing to serve: " + f.String())
	}
	return f, nil
}

func (f *files) add(name string, size int64) {
	switch {
	case size > maxFileSize:
		f.huge++
	case len(f.names) == maxFiles || f.bytes+size > maxBytes:
		f.more++
	default:
		f.names = append(f.names, name)
		f.bytes += size
	}
}

// rounds is how often each file is fetched.
func (f *files) rounds() int {
	n := fetchesWanted / len(f.names)
	if f.bytes > 0 {
		n = min(n, int(maxBytes/f.bytes))
	}
	return max(n, 1)
}

func (f *files) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d files, %s", f.dir, len(f.names), size(f.bytes))
	if f.huge > 0 {
		fmt.Fprintf(&b, "; left out %d larger than %s", f.huge, size(maxFileSize))
	}
	if f.more > 0 {
		fmt.Fprintf(&b, "; left out %d beyond the first %d or %s", f.more, maxFiles, size(maxBytes))
	}
	return b.String()
}

// size is a number of bytes for the reader.
func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}
