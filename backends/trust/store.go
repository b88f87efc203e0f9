package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Store remembers the keys of servers for [OnFirstUse]. Any goroutine may call it at
// any time.
type Store interface {
	// Remember returns the pin that is remembered for a server. If there is none, it
	// remembers the one that the server presented, and returns that. Of calls that
	// overlap, all return the same. An error keeps the server from being trusted.
	Remember(server string, presented Pin) (known Pin, err error)
}

// Memory is a [Store] that lasts as long as the process. The zero value is ready.
type Memory struct {
	pins sync.Map // Pin by server
}

// Remember implements [Store]. It never fails.
func (m *Memory) Remember(server string, presented Pin) (known Pin, err error) {
	pin, _ := m.pins.LoadOrStore(server, presented)
	return pin.(Pin), nil
}

// Forget makes the server's next use the first. Connections that exist go on.
func (m *Memory) Forget(server string) { m.pins.Delete(server) }

// Dir is a [Store] in a directory, which is made when it is first needed: one file for
// each server, with its pin as text. Processes may share it, where the file system
// has hard links. After a crash, each file is there whole or not at all.
type Dir string

// Remember implements [Store].
func (d Dir) Remember(server string, presented Pin) (known Pin, err error) {
	name := d.file(server)
	known, err = read(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return known, err
	}
	if err := d.write(name, presented); err != nil && !errors.Is(err, fs.ErrExist) {
		return Pin{}, err
	}
	return read(name) // somebody else may have been first
}

// Forget makes the server's next use the first, as removing its file does. Connections
// that exist go on. Forgetting a server that is unknown does nothing.
func (d Dir) Forget(server string) error {
	if err := os.Remove(d.file(server)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// file is the name of a server's file. It is one on any system.
func (d Dir) file(server string) string {
	return filepath.Join(string(d), url.QueryEscape(server)+".pin")
}

func read(name string) (Pin, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Pin{}, err
	}
	pin, err := ParsePin(strings.TrimSpace(string(text)))
	if err != nil {
		return Pin{}, fmt.Errorf("%s is damaged, remove it to use the server as if for the first time: %w", name, err)
	}
	return pin, nil
}

// write makes a file, unless there is one: that is fs.ErrExist.
func (d Dir) write(name string, pin Pin) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(d), "*.new")
	if err != nil {
		return err
	}
	// If the link has been made, the name alone goes. Should it stay, it is in nobody's way.
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = fmt.Fprintln(f, pin)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), name) // the whole file at once, and only for one of many
}
