package sim

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Workload is a kind of demand.
type Workload struct {
	Name, About string
	Length      time.Duration
	WarmUp      time.Duration // at the beginning, in which nothing is measured

	index uint64
	draw  func(w *Workload, regimes, arrivals *random) (intensity, []time.Duration)
}

// Demand is what callers want in one run of a [Workload].
type Demand struct {
	Workload
	Takes []time.Duration // when members are asked for, in order

	// Uses is for how long each take has its member, which then comes back. It is nil where
	// a member serves once.
	Uses []time.Duration

	// The intensity of the Poisson process that the takes are drawn from; nil where they
	// come from another.
	intensity intensity
}

// Workloads returns the twelve kinds of demand that policies are measured by.
func Workloads() []Workload {
	const m = time.Minute
	ws := []Workload{
		{Name: "poisson-1", About: "1 take a second, at random", Length: 60 * m, draw: steady(1)},
		{Name: "poisson-10", About: "10 takes a second", Length: 20 * m, draw: steady(10)},
		{Name: "poisson-100", About: "100 takes a second", Length: 10 * m, draw: steady(100)},
		{Name: "poisson-1000", About: "1000 takes a second", Length: 2 * m, draw: steady(1000)},
		{Name: "diurnal", About: "10 to 190 a second and back, in 5 minutes", Length: 10 * m, draw: diurnal},
		{Name: "flash", About: "20 a second, for one minute 200", Length: 10 * m, draw: flash},
		{Name: "onoff", About: "2 a second for some 8 s, 200 for some 2 s", Length: 10 * m, draw: onOff},
		{Name: "heavytail", About: "regimes of 10 to 1000 a second, for seconds to minutes", Length: 10 * m, draw: heavyTail},
		{Name: "selfsim", About: "50 sources that go on and off, self-similar", Length: 10 * m, draw: selfSimilar},
		{Name: "batch", About: "5 batches a second, of 20 on average", Length: 10 * m, draw: batches},
		{Name: "cron", About: "5 a second, and 100 at once each minute", Length: 20 * m, draw: cron},
		{Name: "sparse", About: "one take in 20 s", Length: 120 * m, draw: steady(0.05)},
	}
	for i := range ws {
		ws[i].index = uint64(i)
		ws[i].WarmUp = ws[i].Length / 10
	}
	return ws
}

// regimes sets apart the source that regimes are drawn from.
const regimes = 0x5bd1e995

// Demand draws the takes of one run.
func (w Workload) Demand(seed uint64) Demand {
	arrivals := random(seed*1_000_003 + w.index)
	r := arrivals ^ regimes
	in, takes := w.draw(&w, &r, &arrivals)
	if takes == nil {
		takes = in.draw(&arrivals, w.Length)
	}
	return Demand{Workload: w, Takes: takes, intensity: in}
}

// Reused is the same demand for members that come back after use, which takes so long
// on average: exponentially distributed.
func (d Demand) Reused(mean time.Duration, seed uint64) Demand {
	r := random(seed*15_485_863 + d.index)
	d.Uses = make([]time.Duration, len(d.Takes))
	for i := range d.Uses {
		d.Uses[i] = time.Duration(r.exp() * float64(mean))
	}
	return d
}

type drawing = func(w *Workload, regimes, arrivals *random) (intensity, []time.Duration)

func steady(rate float64) drawing {
	return func(*Workload, *random, *random) (in intensity, _ []time.Duration) {
		in.add(0, rate)
		return in, nil
	}
}

func diurnal(w *Workload, _, _ *random) (in intensity, _ []time.Duration) {
	const day = 300 * time.Second
	const tick = 100 * time.Millisecond
	for t := time.Duration(0); t < w.Length; t += tick {
		phase := 2*math.Pi*(t+tick/2).Seconds()/day.Seconds() - math.Pi/2
		in.add(t, 100*(1+0.9*math.Sin(phase)))
	}
	return in, nil
}

// FlashBegins is when the crowd of the workload flash comes.
const FlashBegins = 5 * time.Minute

func flash(*Workload, *random, *random) (in intensity, _ []time.Duration) {
	in.add(0, 20)
	in.add(FlashBegins, 200)
	in.add(FlashBegins+time.Minute, 20)
	return in, nil
}

func onOff(w *Workload, r, _ *random) (in intensity, _ []time.Duration) {
	for t := time.Duration(0); t < w.Length; {
		in.add(t, 2)
		t += seconds(8 * r.exp())
		in.add(t, 200)
		t += seconds(2 * r.exp())
	}
	return in, nil
}

func heavyTail(w *Workload, r, _ *random) (in intensity, _ []time.Duration) {
	for t := time.Duration(0); t < w.Length; t += seconds(r.pareto(5.0/3, 1.5)) {
		in.add(t, min(1000, r.pareto(10, 1.2)))
	}
	return in, nil
}

func selfSimilar(w *Workload, r, _ *random) (in intensity, _ []time.Duration) {
	type turn struct {
		at time.Duration
		by float64
	}
	var turns []turn
	rate := 0.0
	for range 50 {
		on := r.uniform() < 0.1
		if on {
			rate += 20
		}
		for t := time.Duration(0); ; on = !on {
			if on {
				t += seconds(r.pareto(0.5/3, 1.5))
			} else {
				t += seconds(r.pareto(4.5/3, 1.5))
			}
			if t >= w.Length {
				break
			}
			by := 20.0
			if on {
				by = -20
			}
			turns = append(turns, turn{t, by})
		}
	}
	slices.SortFunc(turns, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	in.add(0, rate)
	for _, t := range turns {
		rate += t.by
		in.add(t.at, rate)
	}
	return in, nil
}

func batches(w *Workload, _, r *random) (_ intensity, takes []time.Duration) {
	for t := seconds(r.exp() / 5); t < w.Length; t += seconds(r.exp() / 5) {
		for range r.geometric(20) {
			takes = append(takes, t+time.Duration(r.uniform()*float64(20*time.Millisecond)))
		}
	}
	slices.Sort(takes)
	for len(takes) > 0 && takes[len(takes)-1] >= w.Length {
		takes = takes[:len(takes)-1]
	}
	return nil, takes
}

// cron has the hundred spread over 100 ms, so 1000 a second beside the 5.
func cron(w *Workload, _, _ *random) (in intensity, _ []time.Duration) {
	for t := time.Duration(0); t < w.Length; t += time.Minute {
		in.add(t, 5)
		in.add(t+time.Minute/2, 1005)
		in.add(t+time.Minute/2+100*time.Millisecond, 5)
	}
	return in, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
