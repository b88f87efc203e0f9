package main

import (
	"fmt"
	"os"
	"time"
)

// progress tells the reader how far the exchange is: on a terminal in one line that
// is written anew, elsewhere in a plain line now and then.
type progress struct {
	terminal bool
	total    int
	ticker   *time.Ticker
}

func newProgress(total int) *progress {
	p := &progress{total: total, terminal: isTerminal(os.Stdout)}
	pace := time.Second
	if p.terminal {
		pace = 50 * time.Millisecond
	}
	p.ticker = time.NewTicker(pace)
	return p
}

func (p *progress) tick() <-chan time.Time { return p.ticker.C }

func (p *progress) show(done fetches) {
	line := fmt.Sprintf("%d of %d fetches, %s", len(done), p.total, size(done.bytes()))
	if n := len(done.failed(nil)); n > 0 {
		line += fmt.Sprintf(", %d FAILED", n)
	}
	if p.terminal {
		fmt.Print(eraseLine, line)
	} else {
		fmt.Println(line)
	}
}

func (p *progress) finish() {
	p.ticker.Stop()
	if p.terminal {
		fmt.Print(eraseLine)
	}
}

// eraseLine goes to the begin of the terminal's line and erases it.
const eraseLine = "\r\x1b[K"

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
