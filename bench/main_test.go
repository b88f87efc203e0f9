package main

import (
	"os"
	"strings"
	"testing"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

func TestEverythingCanBeMeasured(t *testing.T) {
	all := experiments()
	text := measureAll(measure.Effort{Rounds: 1, Length: 1, Smoke: true}, all)
	t.Log(text)
	for _, x := range all {
		if !strings.Contains(text, "\n### "+x.Title+"\n") {
			t.Errorf("nothing was measured under %q", x.Title)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "NaN") || strings.Contains(line, "Inf") {
			t.Errorf("not a measurement: %s", line)
		}
	}
}

func TestTheDocumentHasEveryMeasurement(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range experiments() {
		if !strings.Contains(string(text), "\n### "+x.Title+"\n") {
			t.Errorf("%s has no %q: go -C bench run . -write", document, x.Title)
		}
	}
}

func TestAnExperimentIsChosenByItsName(t *testing.T) {
	some, err := chosen("hand-off,any")
	if err != nil || len(some) != 2 || some[0].Name != "hand-off" || some[1].Name != "any" {
		t.Errorf("chose %v, %v", some, err)
	}
	if _, err := chosen("any,nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"; there are any, `) {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestOnlyTheMeasurementsOfTheDocumentAreReplaced(t *testing.T) {
	path := t.TempDir() + "/document.md"
	for _, c := range []struct{ before, after string }{
		{"a\n<!-- measurements -->\nold\n<!-- end -->\nz\n", "a\n<!-- measurements -->\n\nnew\n\n<!-- end -->\nz\n"},
		{"a\n<!-- measurements -->\n<!-- end -->\nz\n", "a\n<!-- measurements -->\n\nnew\n\n<!-- end -->\nz\n"},
	} {
		if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := report.Document(path, "new\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != c.after {
			t.Errorf("%q became %q, %v", c.before, got, err)
		}
	}
	if err := os.WriteFile(path, []byte("a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := report.Document(path, "new\n"); err == nil || !strings.Contains(err.Error(), "<!-- measurements -->") {
		t.Errorf("a document without a place: %v", err)
	}
}
