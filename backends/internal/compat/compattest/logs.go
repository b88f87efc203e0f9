package compattest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Log collects what is logged during a test.
type Log struct {
	slog.Handler

	mu    sync.Mutex
	lines []string // guarded by mu
}

// Logs begins to collect. The test must not be parallel to others.
func Logs(t *testing.T) *Log {
	l := new(Log)
	before := slog.Default()
	slog.SetDefault(slog.New(l))
	t.Cleanup(func() { slog.SetDefault(before) })
	return l
}

// Enabled is a [slog.Handler]'s.
func (l *Log) Enabled(context.Context, slog.Level) bool { return true }

// Handle is a [slog.Handler]'s.
func (l *Log) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// Lines returns what has been logged.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// Once checks that one line was logged and contains all the words.
func (l *Log) Once(t *testing.T, words ...string) {
	t.Helper()
	lines := l.Lines()
	if len(lines) != 1 {
		t.Errorf("logged %d lines, want one: %q", len(lines), lines)
		return
	}
	line := strings.ReplaceAll(lines[0], `\"`, `"`)
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("%q does not say %q", line, word)
		}
	}
}
