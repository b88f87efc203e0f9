package quic

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// logged collects what is logged during a test.
type logged struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func logs(t *testing.T) *logged {
	l := new(logged)
	before := slog.Default()
	slog.SetDefault(slog.New(l))
	t.Cleanup(func() { slog.SetDefault(before) })
	return l
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// once checks that one line was logged and contains all the words.
func (l *logged) once(t *testing.T, words ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) != 1 {
		t.Errorf("logged %d lines, want one: %q", len(l.lines), l.lines)
		return
	}
	says(t, l.lines[0], words...)
}

func says(t *testing.T, message string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(message, word) {
			t.Errorf("%q does not say %q", message, word)
		}
	}
}

// failsAtOnce checks that every getter fails without waiting, and says why.
func failsAtOnce(t *testing.T, p *Pool, words ...string) {
	t.Helper()
	begun := time.Now()
	for range 20 {
		id, s, err := p.IncomingGet(time.Hour)
		other, err2 := p.OutgoingGet("00000000", time.Hour)
		if id != "" || s != nil || other != nil || err == nil || err2 == nil {
			t.Fatalf("%q, %#v, %v; %#v, %v", id, s, err, other, err2)
		}
		says(t, err.Error(), words...)
		says(t, err2.Error(), words...)
	}
	if took := time.Since(begun); took > 0 {
		t.Errorf("took %v", took)
	}
}
