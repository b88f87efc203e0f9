// Package report writes down what was measured.
package report

import (
	"fmt"
	"strings"

	"github.com/vistone/poolkit/bench/measure"
)

// Experiment measures what one table shows.
type Experiment struct {
	Name  string // by which it is chosen
	Title string
	About string
	Run   func(measure.Effort) Table
}

// Table is a table with a column of names.
type Table struct {
	Head []string
	Rows [][]string
}

// String returns the table in Markdown. A row without figures is left out.
func (t Table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.Head)
	line(append([]string{"---"}, strings.Fields(strings.Repeat("---: ", len(t.Head)-1))...))
	for _, r := range t.Rows {
		if strings.Join(r[1:], "") != "" {
			line(r)
		}
	}
	return b.String()
}

// Nanoseconds writes a time with as many digits as mean something.
func Nanoseconds(n float64) string {
	switch {
	case n < 10:
		return fmt.Sprintf("%.1f ns", n)
	case n < 1000:
		return fmt.Sprintf("%.0f ns", n)
	case n < 1e6:
		return fmt.Sprintf("%.3g µs", n/1e3)
	default:
		return fmt.Sprintf("%.3g ms", n/1e6)
	}
}

// Ratio writes a ratio with as many digits as mean something.
func Ratio(r float64) string {
	switch {
	case r < 0.001:
		return fmt.Sprintf("%.0e", r)
	case r < 0.0995:
		return fmt.Sprintf("%.3f", r)
	case r < 10:
		return fmt.Sprintf("%.2f", r)
	default:
		return fmt.Sprintf("%.0f", r)
	}
}

// Spread writes ratios: their median, and between which most of them are.
func Spread(s measure.Spread) string {
	text := "**" + Ratio(s.Median) + "**"
	if s.Low < s.High {
		text += " (" + Ratio(s.Low) + "–" + Ratio(s.High) + ")"
	}
	return text
}
