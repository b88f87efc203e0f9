package quic

import (
	"strings"
	"testing"
	"time"
)

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
