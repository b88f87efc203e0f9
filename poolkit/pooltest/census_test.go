package pooltest

import (
	"slices"
	"strings"
	"testing"

	"github.com/vistone/poolkit/poolkit"
)

// A pool never does these things, so no backend can show that they are found.
func TestTheCensusAccusesAPoolThat(t *testing.T) {
	type books = *census[string]
	arrived := func(cs books) { cs.arrive(poolkit.ID{1}, "a") }
	for _, c := range []struct {
		name, says string
		do         func(cs books)
	}{
		{"shuts a member twice", "Shut was called 2 times for member 01000000", func(cs books) {
			arrived(cs)
			cs.shut("a")
			cs.shut("a")
		}},
		{"shuts a member that somebody has", "Shut was called for member 01000000 while borrower 3 has it", func(cs books) {
			arrived(cs)
			cs.claim(poolkit.ID{1}, "a", 3)
			cs.shut("a")
		}},
		{"shuts a stranger", "Shut was called for a member that the backend has not made: b", func(cs books) { cs.shut("b") }},
		{"shuts what was hijacked", "which belongs to who hijacked it", func(cs books) {
			arrived(cs)
			cs.hijack("a")
			cs.shut("a")
		}},
		{"lends a member twice", "member 01000000 is lent to borrower 2 while borrower 1 has it", func(cs books) {
			arrived(cs)
			cs.claim(poolkit.ID{1}, "a", 1)
			cs.claim(poolkit.ID{1}, "a", 2)
		}},
		{"lends a member that was shut", "member 01000000 is lent to borrower 1 after it was shut", func(cs books) {
			arrived(cs)
			cs.shut("a")
			cs.claim(poolkit.ID{1}, "a", 1)
		}},
		{"lends a member under another ID", "a lease says that member 01000000 is called 02000000", func(cs books) {
			arrived(cs)
			cs.claim(poolkit.ID{2}, "a", 1)
		}},
		{"lends a stranger", "lease 01000000 is for a member that the backend has not made: b", func(cs books) {
			cs.claim(poolkit.ID{1}, "b", 1)
		}},
		{"lends a member meanwhile", "member 01000000 of borrower 1 was lent to borrower 0 meanwhile", func(cs books) {
			arrived(cs)
			cs.yield("a", 1)
		}},
		{"forgets a member", "member 01000000 was shut 0 times, want once", func(cs books) {
			arrived(cs)
			cs.allShut()
		}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			r := &recorder{TB: t}
			c.do(&census[string]{tb: r})
			if !r.Failed() || !strings.Contains(r.text(), c.says) {
				t.Errorf("says %q, want %q", r.text(), c.says)
			}
		})
	}
	r := &recorder{TB: t}
	cs := &census[string]{tb: r}
	arrived(cs)
	cs.claim(poolkit.ID{1}, "a", 1)
	cs.closing.Store(true)
	cs.shut("a") // by Close
	cs.allShut()
	if r.Failed() {
		t.Errorf("a pool that does nothing wrong is accused: %s", r.text())
	}
}

func TestAScopeEndsBeforeItsTest(t *testing.T) {
	var order []string
	s := newScope(t)
	s.Cleanup(func() { order = append(order, "first registered") })
	s.Cleanup(func() {
		if s.Context().Err() == nil {
			t.Error("the context has not ended before the cleanup")
		}
		order = append(order, "second registered")
		s.Cleanup(func() { order = append(order, "registered by it") })
	})
	s.end()
	if want := []string{"second registered", "registered by it", "first registered"}; !slices.Equal(order, want) {
		t.Errorf("cleaned up %v, want %v", order, want)
	}
}
