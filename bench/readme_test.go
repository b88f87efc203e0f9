package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// figures are what the READMEs say that poolkit costs, in their order: where each stands in
// the document.
var figures = []struct{ section, column string }{
	{"Any member, one core", "1 goroutine"},
	{"By ID, one core", "8192 members"},
	{"One member for many, one core", "64 goroutines"},
	{"A thousand give up at once, one core", "a wait in vain"},
	{"QUIC: from nothing to ready", "1024, 50 ms"},
	{"QUIC: memory of an idle stream", "of those without a pool"},
}

var bold = regexp.MustCompile(`\*\*([0-9.]+)\*\*`)

func TestTheReadmesSayWhatWasMeasured(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, f := range figures {
		cell := cellOf(t, string(text), f.section, "poolkit", f.column)
		m := bold.FindStringSubmatch(cell)
		if m == nil {
			t.Fatalf("%q has no ratio", cell)
		}
		want = append(want, m[1])
	}
	for _, name := range []string{"../README.md", "../README.zh.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, costs, ok := strings.Cut(string(text), "`go -C bench run .`")
		if !ok {
			t.Fatalf("%s does not say how to measure", name)
		}
		var rows []string
		for line := range strings.Lines(costs) {
			if strings.HasPrefix(line, "| ") {
				rows = append(rows, line)
			} else if len(rows) > 0 {
				break
			}
		}
		rows = rows[2:] // the head, and what is below it
		if len(rows) != len(want) {
			t.Fatalf("%s has %d figures, want %d", name, len(rows), len(want))
		}
		for i, row := range rows {
			if !regexp.MustCompile(`(^|[^0-9.])` + regexp.QuoteMeta(want[i]) + `($|[^0-9.])`).MatchString(row) {
				t.Errorf("%s: %sdoes not say %s, as %s does", name, row, want[i], document)
			}
		}
	}
}

// cellOf is a cell of a table in Markdown.
func cellOf(t *testing.T, text, section, row, column string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n### "+section+"\n")
	if !ok {
		t.Fatalf("%s has no %q", document, section)
	}
	at := -1
	for line := range strings.Lines(rest) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		for i, c := range cells {
			if at < 0 && c == column {
				at = i
			}
		}
		if at > 0 && cells[0] == row {
			return cells[at]
		}
	}
	t.Fatalf("%q has no %q of %s", section, column, row)
	return ""
}
