package sizing

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Reason is why a target is what it is. It is made without allocating, and becomes a
// text when somebody wants to read it.
type Reason struct {
	// Text is a template: {n} stands for N, {nth} for N as an ordinal, {ago} for Ago
	// and {rate} for Rate.
	Text string

	N    int
	Ago  time.Duration
	Rate float64 // a second

	// Cut is the upper bound where that is lower than what the text says; else zero.
	Cut int
}

// String is like "holding 12: the 12th spare was needed 4 s ago".
func (r Reason) String() string {
	text := strings.NewReplacer(
		"{n}", strconv.Itoa(r.N),
		"{nth}", ordinal(r.N),
		"{ago}", ago(r.Ago),
		"{rate}", rate(r.Rate),
	).Replace(r.Text)
	if r.Cut > 0 {
		text += fmt.Sprintf(", but %d is the most", r.Cut)
	}
	return text
}

func ordinal(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// rate writes three digits or more.
func rate(r float64) string {
	if r >= 100 {
		return strconv.FormatFloat(r, 'f', 0, 64)
	}
	return strconv.FormatFloat(r, 'g', 3, 64)
}

// ago writes a time as people say it.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms ago", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s ago", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s ago", d.Seconds())
	}
	return fmt.Sprintf("%.0f min ago", d.Minutes())
}
