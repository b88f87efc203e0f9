package quic

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vistone/poolkit/internal/document"
)

// resilience is the document that this is about.
const resilience = "../../docs/resilience.md"

// What happens in the table. A usual run takes twenty seconds for a minute.

func aMinute() time.Duration { return time.Duration(scaled(20, 60)) * time.Second }

func dark(d time.Duration) func(*distress) {
	return func(w *distress) {
		w.Cut(serverHost, true)
		time.Sleep(d)
		w.Cut(serverHost, false)
	}
}

func lossy(share float64) func(*distress) {
	return func(w *distress) {
		w.Lose(share)
		time.Sleep(aMinute())
		w.Lose(0)
	}
}

func shuffled(by time.Duration) func(*distress) {
	return func(w *distress) {
		w.Jitter(by)
		time.Sleep(aMinute())
		w.Jitter(0)
	}
}

func restart(clean, secret bool) func(*distress) {
	return func(w *distress) {
		if clean {
			w.server.Close()
		} else {
			crash(w.server, w.acceptor)
		}
		time.Sleep(time.Second)
		w.serve(secret)
	}
}

// What it may cost. Silence is noticed within six seconds of the last packet, and what
// is dead is handed out until then. A pool is full again at the latest when an attempt
// to connect that was under way has failed, after the longest pause.
const (
	noticed   = 6*time.Second + rtt
	unnoticed = int(noticed/everySoOften) + 1
	backAfter = handshakeTimeout + longestPause + 4*rtt
)

func secs(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

// troubles are the rows of the table. Acquires are not bounded.
var troubles = []struct {
	name   string
	happen func(*distress)
	bound  cost
}{
	{"no packet arrives for 1 s", dark(secs(1)), cost{full: secs(1), longest: rtt}},
	{"no packet arrives for 5 s", dark(secs(5)), cost{noticed: noticed, full: backAfter, longest: patiently, failed: 30}},
	{"no packet arrives for 30 s", dark(secs(30)), cost{noticed: noticed, full: backAfter, longest: patiently, failed: 250, useless: unnoticed}},
	{"no packet arrives for 120 s", dark(secs(120)), cost{noticed: noticed, full: backAfter, longest: patiently, failed: 1150, useless: unnoticed}},
	{"1 % of packets are lost for a minute", lossy(0.01), cost{full: secs(1), longest: rtt}},
	{"5 % of packets are lost for a minute", lossy(0.05), cost{full: secs(1), longest: rtt}},
	{"10 % of packets are lost for a minute", lossy(0.1), cost{full: secs(1), longest: rtt}},
	{"20 % of packets are lost for a minute", lossy(0.2), cost{full: secs(1), longest: rtt}},
	{"packets overtake each other for a minute", shuffled(rtt), cost{full: secs(1), longest: rtt}},
	{"a NAT gives the client another port", func(d *distress) { d.Rebind(clientHost) }, cost{full: secs(1), longest: rtt}},
	{"the server is stopped and started, with a secret", restart(true, true), cost{noticed: rtt, full: secs(3), longest: secs(4), useless: 1}},
	{"the server is stopped and started, without", restart(true, false), cost{noticed: rtt, full: secs(3), longest: secs(4), useless: 1}},
	{"the server crashes and is started, with a secret", restart(false, true), cost{noticed: secs(1.5), full: secs(1), longest: secs(1), useless: 15}},
	{"the server crashes and is started, without", restart(false, false), cost{noticed: noticed, full: noticed, longest: secs(1), useless: unnoticed}},
}

// What happens to a path or a server costs what the document says.
func TestWhatHappensToAPathOrAServerCostsLittle(t *testing.T) {
	tb := document.Table{File: resilience, Name: "troubles", Head: []string{
		"What happens", "Noticed after", "Full again after", "Acquires", "in vain", "of no use", "Longest wait",
	}}
	for _, tr := range troubles {
		var worst cost
		for seed := range scaled(1, 20) {
			c := suffer(t, tr.happen, uint64(seed))
			if c.exceeds(tr.bound) {
				t.Errorf("%s, seed %d: it costs %+v, at most %+v", tr.name, seed, c, tr.bound)
			}
			worst = worst.worse(c)
		}
		tb.Rows = append(tb.Rows, append([]string{tr.name}, worst.cells()...))
	}
	t.Logf("\n%v", &tb)
	for i, row := range tb.Documented(t) {
		if c, err := parseCost(row[1:]); err != nil || c.exceeds(troubles[i].bound) {
			t.Errorf("%s: the document says %q, at most %+v, %v", row[0], row[1:], troubles[i].bound, err)
		}
	}
}

// cells are the cells of a row.
func (c cost) cells() []string {
	noticed := "never"
	if c.noticed > 0 {
		noticed = lasting(c.noticed)
	}
	return []string{
		noticed, lasting(c.full), strconv.Itoa(c.acquires), strconv.Itoa(c.failed), strconv.Itoa(c.useless), lasting(c.longest),
	}
}

// lasting writes a time with two digits or so.
func lasting(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func parseCost(cells []string) (c cost, err error) {
	times := []*time.Duration{&c.noticed, &c.full, nil, nil, nil, &c.longest}
	counts := []*int{nil, nil, &c.acquires, &c.failed, &c.useless, nil}
	for i, cell := range cells {
		switch {
		case err != nil:
		case times[i] == nil:
			*counts[i], err = strconv.Atoi(cell)
		case cell != "never":
			*times[i], err = time.ParseDuration(strings.ReplaceAll(cell, " ", ""))
		}
	}
	return c, err
}
