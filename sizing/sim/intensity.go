package sim

import "time"

// intensity is a rate of takes that changes in steps. It begins at 0 s.
type intensity []piece

// piece is a stretch of an intensity, up to where the next begins.
type piece struct {
	from   time.Duration
	rate   float64 // per second
	before float64 // takes expected before it
}

// add appends a piece. Pieces come in order of time.
func (in *intensity) add(from time.Duration, rate float64) {
	p := piece{from: from, rate: rate}
	if n := len(*in); n > 0 {
		p.before = in.expected(n-1, from)
	}
	*in = append(*in, p)
}

// expected is how many takes come before t, which is in piece i.
func (in intensity) expected(i int, t time.Duration) float64 {
	return in[i].before + in[i].rate*(t-in[i].from).Seconds()
}

// end is where piece i ends.
func (in intensity) end(i int) time.Duration {
	if i+1 < len(in) {
		return in[i+1].from
	}
	return time.Hour * 24 * 365
}

// after returns the piece that t is in, which is i or a later one.
func (in intensity) after(i int, t time.Duration) int {
	for in.end(i) <= t {
		i++
	}
	return i
}

// draw returns takes of a Poisson process with this intensity, up to the end.
func (in intensity) draw(r *random, end time.Duration) []time.Duration {
	var takes []time.Duration
	for i, p := range in {
		until := min(end, in.end(i))
		if p.rate <= 0 {
			continue
		}
		gap := float64(time.Second) / p.rate
		for t := float64(p.from) + r.exp()*gap; t < float64(until); t += r.exp() * gap {
			takes = append(takes, time.Duration(t))
		}
	}
	return takes
}
