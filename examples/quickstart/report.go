package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// report is what happened.
type report struct {
	all         fetches
	elapsed     time.Duration
	interrupted error // what ended the exchange early, if anything did
}

// String is a table with a column for each direction and one for both.
func (r *report) String() string {
	var b strings.Builder
	row := func(name string, toClient, toServer, both any) {
		fmt.Fprintf(&b, "%-22v%18v%18v%12v\n", name, toClient, toServer, both)
	}
	toClient, toServer := r.all.by("client"), r.all.by("server")
	row("", "server → client", "client → server", "both")
	for _, line := range []struct {
		name  string
		value func(fetches) any
	}{
		{"fetches", func(fs fetches) any { return len(fs) }},
		{"different files", func(fs fetches) any { return fs.distinct(func(f fetched) string { return f.name }) }},
		{"different streams", func(fs fetches) any { return fs.distinct(func(f fetched) string { return f.stream }) }},
		{"QUIC connections", func(fs fetches) any { return fs.distinct(func(f fetched) string { return f.connection }) }},
		{"bytes", func(fs fetches) any { return size(fs.bytes()) }},
		{"got a stream in, p50", func(fs fetches) any { return fs.percentile(50, func(f fetched) time.Duration { return f.wait }) }},
		{"                 p99", func(fs fetches) any { return fs.percentile(99, func(f fetched) time.Duration { return f.wait }) }},
		{"got a file in,   p50", func(fs fetches) any { return fs.percentile(50, func(f fetched) time.Duration { return f.took }) }},
		{"                 p99", func(fs fetches) any { return fs.percentile(99, func(f fetched) time.Duration { return f.took }) }},
		{"mismatches", func(fs fetches) any { return len(fs.failed(errMismatch)) }},
		{"other errors", func(fs fetches) any { return len(fs.failed(nil)) - len(fs.failed(errMismatch)) }},
	} {
		row(line.name, line.value(toClient), line.value(toServer), line.value(r.all))
	}
	if changed := r.all.where(func(f fetched) bool { return f.changed }); len(changed) > 0 {
		fmt.Fprintf(&b, "%d fetches do not count: somebody changed the file meanwhile\n", len(changed))
	}
	seconds := r.elapsed.Seconds()
	fmt.Fprintf(&b, "\n%v in all: %.0f fetches and %.1f MiB a second, %d at a time\n", r.elapsed.Round(time.Millisecond),
		float64(len(r.all))/seconds, float64(r.all.bytes())/(1<<20)/seconds, 2*fetchers)
	return b.String()
}

// verdict is nil if all is well.
func (r *report) verdict() error {
	if r.interrupted != nil {
		return fmt.Errorf("interrupted: %w", r.interrupted)
	}
	bad := r.all.failed(nil)
	if len(bad) == 0 {
		return nil
	}
	errs := []error{fmt.Errorf("%d of %d fetches failed", len(bad), len(r.all))}
	told := make(map[string]bool)
	for _, f := range bad {
		err := fmt.Errorf("  %s: %w", f.name, f.err)
		if !told[err.Error()] && len(told) < 5 {
			told[err.Error()] = true
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
