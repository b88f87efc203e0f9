package quic

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vistone/poolkit/internal/document"
)

// fillings are the pools that are filled on a path that loses packets, and how many
// round trips that takes when it loses none.
var fillings = []struct {
	name  string
	n     int
	early bool
	trips float64
}{
	{"1 stream", 1, false, 2},
	{"128 streams", places, false, 2},
	{"128 streams, early data", places, true, 1},
}

// fillLossy returns how many round trips it takes to fill a pool of n streams while a
// share of the packets is lost.
func fillLossy(t *testing.T, n int, early bool, share float64, seed int) (took float64) {
	inWorld(t, func(t *testing.T, w *world) {
		w.early()
		conf := w.acquainted()
		if !early {
			conf.ClientSessionCache = nil
		}
		w.Seed(uint64(seed))
		w.Lose(share)
		begun := time.Now()
		client := w.dial(DialConfig{MinCapacity: n, MaxCapacity: n, TLS: conf, EarlyData: early})
		ready(t, n, client)
		took = trips(time.Since(begun))
		w.Lose(0)
	})
	return took
}

// filling is how many round trips the fills of some runs took.
type filling struct{ mean, most99, most float64 }

func (f filling) String() string { return fmt.Sprintf("%.2f / %.1f / %.1f", f.mean, f.most99, f.most) }

func (f *filling) parse(s string) error {
	_, err := fmt.Sscanf(s, "%f / %f / %f", &f.mean, &f.most99, &f.most)
	return err
}

// A fillLossy waits for packets that are lost, but not for more of them when more streams
// are wanted: those of 128 travel in a few packets. The document has the numbers of the
// long runs.
func TestAFillOnALossyPathTakesAFewRoundTripsMore(t *testing.T) {
	runs := scaled(5, 1000)
	losses := []float64{0, 0.01, 0.05, 0.1}
	tb := document.Table{File: resilience, Name: "fill", Head: []string{"Idle streams wanted"}}
	for _, share := range losses {
		tb.Head = append(tb.Head, fmt.Sprintf("%g %% lost", 100*share))
	}
	for _, f := range fillings {
		row := []string{f.name}
		for _, share := range losses {
			var took []float64
			sum := 0.0
			for seed := range runs {
				took = append(took, fillLossy(t, f.n, f.early, share, seed))
				sum += took[seed]
			}
			slices.Sort(took)
			row = append(row, filling{sum / float64(runs), took[runs*99/100], took[runs-1]}.String())
			if share == 0 && took[runs-1] != f.trips {
				t.Errorf("%s: %v round trips, want %v", f.name, took[runs-1], f.trips)
			}
			if most := f.trips + 3 + 100*share; took[runs/2] > most {
				t.Errorf("%s, %v lost: half of the fills took more than %v round trips", f.name, share, most)
			}
		}
		tb.Rows = append(tb.Rows, row)
	}
	t.Logf("\n%v", &tb)
	for i, row := range tb.Documented(t) {
		for j, share := range losses {
			var f filling
			if err := f.parse(row[j+1]); err != nil {
				t.Fatal(err)
			}
			if at := fillings[i].trips; f.mean < at || f.mean > at+30*share {
				t.Errorf("the document says that with %v lost %s take %v round trips", share, row[0], f)
			}
		}
	}
}
