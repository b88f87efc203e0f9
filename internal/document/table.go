// Package document keeps what tests have measured in documents.
package document

import (
	"os"
	"strings"
	"testing"
)

// Table is one in a document, as it has to stand there: between two comments that
// hold its name.
type Table struct {
	File string // relative to the test's directory
	Name string
	Head []string
	Rows [][]string
}

func (tb *Table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(tb.Head)
	line(append([]string{"---"}, strings.Fields(strings.Repeat("---: ", len(tb.Head)-1))...))
	for _, r := range tb.Rows {
		line(r)
	}
	return b.String()
}

// Documented returns the rows that stand in the document. When POOLKIT_WRITE is set it
// writes the table there first. Columns, and the names of the rows, have to be those of
// the table.
func (tb *Table) Documented(t testing.TB) [][]string {
	t.Helper()
	text, err := os.ReadFile(tb.File)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+tb.Name+" -->\n\n", "\n<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no table between %q and %q", tb.File, begin, end)
	}
	if os.Getenv("POOLKIT_WRITE") != "" {
		old = tb.String()
		if err := os.WriteFile(tb.File, []byte(before+begin+old+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSpace(old), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if i == 0 && strings.Join(cells, "|") != strings.Join(tb.Head, "|") {
			t.Errorf("the table %s has the columns %q, want %q", tb.Name, cells, tb.Head)
		}
		if i > 1 {
			rows = append(rows, cells)
		}
	}
	if len(rows) != len(tb.Rows) {
		t.Fatalf("the document has %d rows of %s, want %d", len(rows), tb.Name, len(tb.Rows))
	}
	for i, r := range rows {
		if r[0] != tb.Rows[i][0] || len(r) != len(tb.Head) {
			t.Errorf("row %d of %s is %q, want one of %q", i, tb.Name, r, tb.Rows[i][0])
		}
	}
	return rows
}
