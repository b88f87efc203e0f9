// Package workload has the ways to use a pool in which pools are compared.
package workload

import (
	"fmt"
	"slices"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
	"github.com/vistone/poolkit/bench/subject"
)

// Workload is one way to use a pool, with several numbers.
type Workload struct {
	Name  string // by which it is chosen
	Title string
	About string
	Cores int
	Clock measure.Clock
	Kinds []subject.Kind
	Base  string // the name of the kind that the others are measured against
	Cases []Case
	Shows []Figure // apart from what an operation costs
}

// Case is a workload with its numbers filled in.
type Case struct {
	Label   string
	Members int
	Most    float64 // what poolkit promises to cost at most, as a multiple of the base; zero is no promise

	// Prepare returns what is measured, with a new pool.
	Prepare func(subject.Pool) measure.Run
}

// Figure is a number that says something about each kind.
type Figure struct {
	Label string
	Of    func(measure.Series) string
}

// All returns every workload in the order in which they are documented.
func All() []report.Experiment {
	var all []report.Experiment
	for _, ws := range [][]Workload{anyMember, starved, handOff, cancelled, byID, fresh, waitID} {
		for _, w := range ws {
			all = append(all, report.Experiment{Name: w.Name, Title: w.Title, About: w.About, Run: w.run})
		}
	}
	return all
}

// run measures all cases. The base is measured twice: how far it is from itself is what
// chance does.
func (w Workload) run(e measure.Effort) report.Table {
	again := slices.IndexFunc(w.Kinds, func(k subject.Kind) bool { return k.Name == w.Base })
	kinds := append(slices.Clone(w.Kinds), w.Kinds[again])
	t := report.Table{Head: []string{"Pool"}}
	rows := make([][]string, len(kinds)+1)
	for i, k := range kinds {
		rows[i] = []string{k.Name}
	}
	rows[len(w.Kinds)][0] += ", once more"
	rows[len(kinds)] = []string{"*poolkit's goal*"}

	shown := make([]measure.Series, len(kinds)) // of all cases
	for _, c := range w.Cases {
		all := c.compare(e, w.Cores, kinds)
		t.Head = append(t.Head, c.Label)
		for i, s := range all {
			shown[i] = append(shown[i], s...)
			rows[i] = append(rows[i], cell(s, all[again], w.Clock))
		}
		rows[len(kinds)] = append(rows[len(kinds)], goal(c.Most))
	}
	for _, f := range w.Shows {
		t.Head = append(t.Head, f.Label)
		for i := range kinds {
			rows[i] = append(rows[i], f.Of(shown[i]))
		}
		rows[len(kinds)] = append(rows[len(kinds)], "")
	}
	t.Rows = rows
	return t
}

func (c Case) compare(e measure.Effort, cores int, kinds []subject.Kind) []measure.Series {
	runs := make([]measure.Run, len(kinds))
	for i, k := range kinds {
		p := k.Open(c.Members)
		defer p.Close()
		runs[i] = c.Prepare(p)
	}
	return measure.Compare(e, cores, runs)
}

// cell says what an operation cost, and which multiple of the base's cost that is.
func cell(s, base measure.Series, c measure.Clock) string {
	return report.Nanoseconds(s.Cost(c).Median) + ", " + report.Spread(s.Over(base, c))
}

func goal(most float64) string {
	if most == 0 {
		return ""
	}
	return fmt.Sprintf("≤ **%s**", report.Ratio(most))
}
