package workload

import (
	"fmt"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

// The figures.
var (
	mallocs  = Figure{"allocations", func(s measure.Series) string { return fmt.Sprintf("%.1f", s.Mallocs()) }}
	cores    = Figure{"cores had", func(s measure.Series) string { return fmt.Sprintf("%.1f", s.Cores()) }}
	fairness = Figure{"most : least", func(s measure.Series) string { return report.Ratio(s.Unfairness()) }}
	median   = wait("median wait", 0.5)
	slowest  = wait("99 of 100 waits", 0.99)
)

func wait(label string, share float64) Figure {
	return Figure{label, func(s measure.Series) string {
		if d, ok := s.Wait(share); ok {
			return report.Nanoseconds(float64(d))
		}
		return "–"
	}}
}
