package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
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
	list  []file
	bytes int64
	huge  int // how many were left out because they are larger than maxFileSize
	more  int // how many were left out beyond maxFiles or maxBytes
}

// file is one of them.
type file struct {
	name    string // slash-separated, relative to the directory
	modTime time.Time
}

// changed reports whether the file has been changed or removed since it was listed.
func (f file) changed(root *os.Root) bool {
	info, err := root.Stat(f.name)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return !info.ModTime().Equal(f.modTime)
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
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		} else if err != nil {
			return err
		}
		f.add(file{name, info.ModTime()}, info.Size())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", f.dir, err)
	}
	if len(f.list) == 0 {
		return nil, errors.New("nothing to serve: " + f.String())
	}
	return f, nil
}

func (f *files) add(one file, size int64) {
	switch {
	case size > maxFileSize:
		f.huge++
	case len(f.list) == maxFiles || f.bytes+size > maxBytes:
		f.more++
	default:
		f.list = append(f.list, one)
		f.bytes += size
	}
}

// rounds is how often each file is fetched.
func (f *files) rounds() int {
	n := fetchesWanted / len(f.list)
	if f.bytes > 0 {
		n = min(n, int(maxBytes/f.bytes))
	}
	return max(n, 1)
}

func (f *files) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d files, %s", f.dir, len(f.list), size(f.bytes))
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
