package measure

import (
	"slices"
	"testing"
	"time"
)

func TestEveryRoundRunsAllInAnotherOrder(t *testing.T) {
	var order []int
	runs := make([]Run, 3)
	for i := range runs {
		runs[i] = func(time.Duration) Tally {
			order = append(order, i)
			return Tally{Ops: i + 1}
		}
	}
	all := Compare(Effort{Rounds: 4}, 1, runs)
	want := []int{0, 1, 2, 1, 0, 2, 2, 0, 1, 2, 1, 0, 1, 2, 0} // the first three are not recorded
	if !slices.Equal(order, want) {
		t.Errorf("the order was %v, want %v", order, want)
	}
	for i, s := range all {
		if len(s) != 4 || s[0].Ops != i+1 {
			t.Errorf("run %d has the samples %+v", i, s)
		}
	}
}

func TestARatioIsTheMedianOfTheRounds(t *testing.T) {
	var a, base Series
	for _, wall := range [][2]time.Duration{{10, 100}, {30, 100}, {200, 400}} {
		a = append(a, Sample{Tally: Tally{Ops: 1}, Wall: wall[0]})
		base = append(base, Sample{Tally: Tally{Ops: 1}, Wall: wall[1]})
	}
	if got, want := a.Over(base, Wall), (Spread{0.1, 0.3, 0.5}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAQuantileIsWhatThatShareIsNotAbove(t *testing.T) {
	v := []int{10, 20, 30, 40}
	for share, want := range map[float64]int{0: 10, 0.25: 10, 0.26: 20, 0.5: 20, 0.51: 30, 0.99: 40, 1: 40} {
		if got := quantile(v, share); got != want {
			t.Errorf("of %v: %d, want %d", share, got, want)
		}
	}
}
