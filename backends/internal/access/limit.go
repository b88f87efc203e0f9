package access

import "math"

// Limit returns what a limit of a server means: zero is def, a negative number none.
func Limit(n, def int) int {
	switch {
	case n == 0:
		return def
	case n < 0:
		return math.MaxInt
	}
	return n
}
