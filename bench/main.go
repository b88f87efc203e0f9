// Bench measures poolkit side by side with what else there is: other pools, and QUIC
// without one. It takes some minutes.
//
//	go -C bench run .                     # print the tables
//	go -C bench run . -write              # into docs/performance.md
//	go -C bench run . -only any,hand-off  # some of them
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/policy"
	"github.com/vistone/poolkit/bench/report"
	"github.com/vistone/poolkit/bench/stream"
	"github.com/vistone/poolkit/bench/workload"
)

const document = "../docs/performance.md"

func main() {
	var e measure.Effort
	flag.IntVar(&e.Rounds, "rounds", 20, "how often everything is measured")
	flag.DurationVar(&e.Length, "length", 40*time.Millisecond, "of one measurement")
	flag.BoolVar(&e.Smoke, "smoke", false, "only see whether everything works")
	only := flag.String("only", "", "names of experiments, with commas between; none is all")
	write := flag.Bool("write", false, "write "+document)
	flag.Parse()
	if e.Smoke {
		e.Rounds, e.Length = 1, time.Millisecond
	}
	if err := run(e, *only, *write); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(e measure.Effort, only string, write bool) error {
	all, err := chosen(only)
	if err != nil {
		return err
	}
	text := measureAll(e, all)
	if !write {
		_, err := fmt.Print(text)
		return err
	}
	if only != "" || e.Smoke {
		return fmt.Errorf("%s is written as a whole and in earnest: leave out -only and -smoke", document)
	}
	return report.Document(document, text)
}

// experiments are everything that is measured.
func experiments() []report.Experiment {
	return slices.Concat(workload.All(), policy.All(), stream.All())
}

// chosen returns the experiments with these names.
func chosen(names string) ([]report.Experiment, error) {
	all := experiments()
	if names == "" {
		return all, nil
	}
	var some []report.Experiment
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(x report.Experiment) bool { return x.Name == name })
		if i < 0 {
			var known []string
			for _, x := range all {
				known = append(known, x.Name)
			}
			return nil, fmt.Errorf("no experiment is called %q; there are %s", name, strings.Join(known, ", "))
		}
		some = append(some, all[i])
	}
	return some, nil
}

func measureAll(e measure.Effort, all []report.Experiment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s: %d rounds of %v.\n", report.Machine(), e.Rounds, e.Length)
	for i, x := range all {
		fmt.Fprintf(os.Stderr, "%d/%d %s\n", i+1, len(all), x.Name)
		fmt.Fprintf(&b, "\n### %s\n\n", x.Title)
		if x.About != "" {
			fmt.Fprintf(&b, "%s\n\n", x.About)
		}
		b.WriteString(x.Run(e).String())
	}
	return b.String()
}
