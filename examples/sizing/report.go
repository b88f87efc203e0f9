package main

import (
	"fmt"
	"os"
	"time"

	"github.com/vistone/poolkit/sizing/sim"
)

// printHeader prints what the columns of the table are.
func printHeader() {
	fmt.Printf("%-15s%9s%9s%11s%11s%9s\n", "", "waited", "idle", "99.9 % in", "longest", "cost")
}

// printRow prints what a run came to. The offline optimum is reckoned, and has no waits.
func printRow(name string, r sim.Result, price time.Duration) {
	waits := fmt.Sprintf("%11s%11s", "–", "–")
	if len(r.Waits) > 0 || r.Misses == 0 {
		waits = fmt.Sprintf("%11s%11s", millis(r.Wait(0.999)), millis(r.Longest()))
	}
	fmt.Printf("%-15s%8.2f%%%9.1f%s%9.1f\n", name, 100*r.MissRatio(), r.Idle, waits, r.Cost(price))
}

// summary is the same in a picture.
func summary(r sim.Result, price time.Duration) string {
	return fmt.Sprintf("%.2f %% waited, %s at most; %.1f idle; cost %.1f", 100*r.MissRatio(), millis(r.Longest()), r.Idle, r.Cost(price))
}

func millis(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// progress says on a terminal what runs now. The next line is written over it.
func progress(name string) {
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Printf("%s …\r", name)
	}
}
