package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vistone/poolkit/sizing/sim"
)

// picture draws runs of one demand below each other, as SVG.
type picture struct {
	title  string
	every  time.Duration
	panels []panel
}

// panel is one run.
type panel struct {
	name, summary string
	trace         []sim.Sample
}

func (p *picture) add(name string, r sim.Result, summary string) {
	p.panels = append(p.panels, panel{name, summary, r.Trace})
}

// The measures of a picture, in pixels.
const (
	width  = 900
	left   = 60
	right  = 30
	top    = 44
	height = 90 // of a panel
	gap    = 40 // above each, for its name
	waits  = 26 // below each, for the waits
)

// The waits are drawn on a logarithmic scale.
const (
	shortest = time.Millisecond
	longest  = 10 * time.Second
)

func (p *picture) svg() string {
	var b strings.Builder
	total := top + (height+gap)*(len(p.panels)+1) + waits*len(p.panels) + 24
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		left+width+right, total, left+width+right, total)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="16">%s</text>`+"\n", left, p.title)
	fmt.Fprintf(&b, `<text x="%d" y="42" fill="#555555">blue: idle members; line: the target; red: the longest wait, from 1 ms to 10 s, logarithmic; what is too high for a picture is cut off</text>`+"\n", left)

	y := top + gap
	p.demand(&b, y)
	y += height + gap
	most := p.scale()
	for _, pl := range p.panels {
		p.draw(&b, pl, y, most)
		y += height + waits + gap
	}
	p.axis(&b, y-gap+18)
	b.WriteString("</svg>\n")
	return b.String()
}

// demand draws how many takes there are a second.
func (p *picture) demand(b *strings.Builder, y int) {
	trace := p.panels[0].trace
	rate := func(s sim.Sample) float64 { return float64(s.Takes) / p.every.Seconds() }
	most := 1.
	for _, s := range trace {
		most = max(most, rate(s))
	}
	label(b, y, "takes a second", "")
	scale(b, y, most)
	area(b, y, most, "#999999", trace, rate)
}

// scale is the top of all panels: the highest target of those that follow demand with
// sense. What is beyond is cut off.
func (p *picture) scale() float64 {
	most := 1.
	for _, pl := range p.panels {
		if pl.name != "Ladder" {
			continue
		}
		for _, s := range pl.trace {
			most = max(most, 1.3*float64(s.Target), 1.3*s.Idle)
		}
	}
	return most
}

// draw draws the idle members, the target, and below them the waits.
func (p *picture) draw(b *strings.Builder, pl panel, y int, most float64) {
	label(b, y, pl.name, pl.summary)
	scale(b, y, most)
	area(b, y, most, "#9ecae1", pl.trace, func(s sim.Sample) float64 { return s.Idle })
	var path strings.Builder
	for i, s := range pl.trace {
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], at(i, len(pl.trace)), float64(y)+level(float64(s.Target), most))
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="#08519c"/>`+"\n", path.String())
	var bars strings.Builder
	for i, s := range pl.trace {
		if s.Wait > 0 {
			share := math.Log(float64(s.Wait)/float64(shortest)) / math.Log(float64(longest)/float64(shortest))
			fmt.Fprintf(&bars, "M%.1f %dv%.1f", at(i, len(pl.trace)), y+height+waits-2, -max(1, (waits-4)*min(share, 1)))
		}
	}
	fmt.Fprintf(b, `<path d="%s" stroke="#cb181d" stroke-width="2"/>`+"\n", bars.String())
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#cb181d" font-size="10">waits</text>`+"\n", left-4, y+height+waits-4)
}

// axis is the time below all panels.
func (p *picture) axis(b *strings.Builder, y int) {
	length := p.every * time.Duration(len(p.panels[0].trace))
	step := time.Minute
	for _, s := range []time.Duration{2, 5, 10, 20} {
		if length/step > 8 {
			step = s * time.Minute
		}
	}
	for t := time.Duration(0); t <= length; t += step {
		x := left + int(width*t/length)
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%.0f min</text>`+"\n", x, y, t.Minutes())
	}
}

func label(b *strings.Builder, y int, name, summary string) {
	fmt.Fprintf(b, `<text x="%d" y="%d"><tspan font-weight="bold">%s</tspan> %s</text>`+"\n", left, y-8, name, summary)
}

// scale draws the frame of a panel, and what its top stands for.
func scale(b *strings.Builder, y int, most float64) {
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#dddddd"/>`+"\n", left, y, width, height)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%.0f</text><text x="%d" y="%d" text-anchor="end">0</text>`+"\n", left-4, y+10, most, left-4, y+height)
}

func area(b *strings.Builder, y int, most float64, colour string, trace []sim.Sample, value func(sim.Sample) float64) {
	var path strings.Builder
	fmt.Fprintf(&path, "M%d %d", left, y+height)
	for i, s := range trace {
		fmt.Fprintf(&path, "L%.1f %.1f", at(i, len(trace)), float64(y)+level(value(s), most))
	}
	fmt.Fprintf(b, `<path d="%sV%dZ" fill="%s"/>`+"\n", path.String(), y+height, colour)
}

// at is where a sample is drawn, and level how far below the top of its panel.
func at(i, n int) float64 { return left + width*(float64(i)+0.5)/float64(n) }

func level(v, most float64) float64 { return height * (1 - min(v/most, 1)) }
