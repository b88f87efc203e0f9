package access

import (
	"math"
	"testing"
)

func TestALimitOfZeroIsTheDefaultAndANegativeOneNone(t *testing.T) {
	for n, want := range map[int]int{0: 7, 1: 1, 8: 8, -1: math.MaxInt, math.MinInt: math.MaxInt, math.MaxInt: math.MaxInt} {
		if got := Limit(n, 7); got != want {
			t.Errorf("a limit of %d is %d, want %d", n, got, want)
		}
	}
}
