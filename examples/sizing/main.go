// Sizing shows what it costs to keep members ready, by several policies: a table, and
// a picture of demand, target, idle members and waits.
//
//	go run ./examples/sizing [-workload flash] [-rtt 100ms] [-price 30s]
//
// Time is simulated: ten minutes of a busy pool take some milliseconds. Package
// sizing/sim says what the world is like.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vistone/poolkit/sizing/sim"
)

// settings are the flags.
type settings struct {
	workload   string
	rtt, price time.Duration
	seed       uint64
	dir        string
}

func main() {
	var s settings
	flag.StringVar(&s.workload, "workload", "flash", "kind of demand, or all")
	flag.DurationVar(&s.rtt, "rtt", 100*time.Millisecond, "round trip time: how long a member takes to be made")
	flag.DurationVar(&s.price, "price", 30*time.Second, "what avoiding one wait is worth, in time of an idle member")
	flag.Uint64Var(&s.seed, "seed", 1, "of chance")
	flag.StringVar(&s.dir, "o", filepath.Join(os.TempDir(), "poolkit-sizing"), "directory for the pictures")
	flag.Usage = usage
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "sizing:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: go run ./examples/sizing [flags]")
	flag.PrintDefaults()
	fmt.Fprintln(os.Stderr, "the workloads are:")
	for _, w := range sim.Workloads() {
		fmt.Fprintf(os.Stderr, "  %-12s  %s\n", w.Name, w.About)
	}
}

func run(s settings) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("there are no arguments beside flags, but %q", flag.Args())
	}
	if s.rtt <= 0 || s.price <= 0 {
		return errors.New("-rtt and -price must be positive")
	}
	workloads, err := chosen(s.workload)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o777); err != nil {
		return err
	}
	for _, w := range workloads {
		if err := show(s, w); err != nil {
			return err
		}
	}
	fmt.Printf("The pictures are in %s. Other workloads: -workload all, or -help.\n", s.dir)
	return nil
}

// chosen returns the workload of that name, or all.
func chosen(name string) ([]sim.Workload, error) {
	all := sim.Workloads()
	if name == "all" {
		return all, nil
	}
	var names []string
	for _, w := range all {
		if w.Name == name {
			return []sim.Workload{w}, nil
		}
		names = append(names, w.Name)
	}
	return nil, fmt.Errorf("there is no workload %q: choose all, or one of %s", name, strings.Join(names, ", "))
}

// samples is how many stretches a picture has.
const samples = 300

// show runs a workload with every contender, and tells what comes of it as it comes.
func show(s settings, w sim.Workload) error {
	world := sim.World{RTT: s.rtt, Seed: s.seed, Every: w.Length / samples}
	demand := w.Demand(s.seed)
	fmt.Printf("%s: %s, for %v, on round trips of %v. A wait is worth %v of an idle member:\ncost is idle members and %.3g × waits a second.\n\n", w.Name, w.About, w.Length, s.rtt, s.price, s.price.Seconds())

	pic := picture{title: fmt.Sprintf("%s: %s; round trips of %v", w.Name, w.About, s.rtt), every: world.Every}
	printHeader()
	var ladder *diary
	for _, c := range contenders(world, demand, s.price) {
		progress(c.name)
		r := c.run()
		printRow(c.name, r, s.price)
		if len(r.Trace) > 0 {
			pic.add(c.name, r, summary(r, s.price))
		}
		if c.diary != nil {
			ladder = c.diary
		}
	}
	ladder.print()

	file := filepath.Join(s.dir, w.Name+".svg")
	if err := os.WriteFile(file, []byte(pic.svg()), 0o666); err != nil {
		return err
	}
	fmt.Printf("\nPicture: %s\n\n", file)
	return nil
}
