package report

import (
	"fmt"
	"os"
	"strings"
)

// The measurements of a document stand between two comments.
const begin, end = "<!-- measurements -->\n", "<!-- end -->"

// Document replaces the measurements of a file.
func Document(path, measurements string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for measurements: it needs the lines %q and %q", path, strings.TrimSpace(begin), end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+measurements+"\n"+end+after), 0o644)
}
