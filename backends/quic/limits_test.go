package quic

import (
	"math"
	"testing"
)

func TestLimitsAreTheDocumentedOnesUnlessSaidOtherwise(t *testing.T) {
	if got, want := (Limits{}).resolved(), (Limits{1024, 32768, 64, 128}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := (Limits{-1, -2, math.MinInt, -1}).resolved(), (Limits{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := (Limits{1, 2, 3, 4}).resolved(), (Limits{1, 2, 3, 4}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
