package poolkit

import "time"

// How a pool goes on after failures. The first pause is short enough to be
// unnoticed after a hiccup. The last bounds an outage to half an attempt a second
// for each pool, and its end to two and a half seconds.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	spread     = 0.25 // of the pause, to both sides, so that pools do not dial in step

	// probeAfter failures in a row, on any shards, the pool dials one member at a
	// time until one arrives.
	probeAfter = 3

	// proveFor is how long a member has to last to be taken for a success once others
	// have not, and how young it is when its end counts as a failure to make it.
	proveFor = time.Second

	// lastPauseAt failures in a row bring the longest pause.
	lastPauseAt = 6
)

// backoff returns how long to pause after so many failures in a row. It doubles
// with each; chance, from 0 to 1, picks the place within the spread.
func backoff(failures int, chance float64) time.Duration {
	pause := min(firstPause<<min(max(failures-1, 0), lastPauseAt), lastPause)
	return time.Duration(float64(pause) * (1 + spread*(2*chance-1)))
}
