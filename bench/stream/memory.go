package stream

import (
	"fmt"
	"runtime"
	"time"

	"github.com/vistone/poolkit/bench/measure"
	"github.com/vistone/poolkit/bench/report"
)

var memory = report.Experiment{
	Name: "memory", Title: "QUIC: memory of an idle stream",
	About: "What one more idle stream takes on the heap, both ends together: the difference between 16 connections with 128 streams each and 16 with two.",
	Run:   measureMemory,
}

func measureMemory(e measure.Effort) report.Table {
	t := report.Table{Head: []string{"Streams", "bytes", "of those without a pool"}}
	var bytes, ratios [2][]float64
	for range e.Rounds {
		for i, r := range []rival{withoutPool, withPool} {
			bytes[i] = append(bytes[i], each(r))
		}
	}
	for i, r := range []rival{withoutPool, withPool} {
		for round := range bytes[i] {
			ratios[i] = append(ratios[i], bytes[i][round]/bytes[0][round])
		}
		t.Rows = append(t.Rows, []string{r.name})
	}
	for i := range t.Rows {
		t.Rows[i] = append(t.Rows[i], fmt.Sprintf("%.0f", measure.SpreadOf(bytes[i]).Median), report.Spread(measure.SpreadOf(ratios[i])))
	}
	return t
}

// each returns the bytes of one stream.
func each(r rival) float64 {
	const connections, few = 16, 2
	more := heap(r, connections, places) - heap(r, connections, few)
	return more / (connections * (places - few))
}

// heap returns the bytes in use with so many idle streams on each connection.
func heap(r rival, connections, streams int) float64 {
	n := loopback()
	defer n.close()
	all := r.open(n, shape{connections, connections * streams, true})
	defer all.close()
	all.fill()
	return atRest()
}

// atRest returns the bytes in use when there is nothing under way any more: when they have
// not become fewer for a while.
func atRest() float64 {
	const while = 100 * time.Millisecond // four times as long as QUIC delays acknowledgements
	least := collected()
	for {
		<-time.After(while)
		now := collected()
		if now > least*0.999 {
			return now
		}
		least = now
	}
}

func collected() float64 {
	for range 3 { // what a sync.Pool holds survives the first
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
