package quic

import (
	"os"
	"strings"
	"testing"
)

const document = "../../docs/resilience.md"

// table is one in the document, as it has to stand there: between two comments that
// hold its name.
type table struct {
	name string
	head []string
	rows [][]string
}

func (tb *table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(tb.head)
	line(append([]string{"---"}, slicesOf("---:", len(tb.head)-1)...))
	for _, r := range tb.rows {
		line(r)
	}
	return b.String()
}

func slicesOf(s string, n int) []string { return strings.Fields(strings.Repeat(s+" ", n)) }

// documented returns the rows that stand in the document. When POOLKIT_WRITE is set it
// writes the table there first.
func (tb *table) documented(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+tb.name+" -->\n\n", "\n<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no table between %q and %q", document, begin, end)
	}
	if os.Getenv("POOLKIT_WRITE") != "" {
		old = tb.String()
		if err := os.WriteFile(document, []byte(before+begin+old+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var rows [][]string
	for i, line := range strings.Split(strings.TrimSpace(old), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if i == 0 && strings.Join(cells, "|") != strings.Join(tb.head, "|") {
			t.Errorf("the table has the columns %q, want %q", cells, tb.head)
		}
		if i > 1 {
			rows = append(rows, cells)
		}
	}
	if len(rows) != len(tb.rows) {
		t.Fatalf("the document has %d rows, want %d", len(rows), len(tb.rows))
	}
	for i, r := range rows {
		if r[0] != tb.rows[i][0] || len(r) != len(tb.head) {
			t.Errorf("row %d of the document is %q, want one of %q", i, r, tb.rows[i][0])
		}
	}
	return rows
}
