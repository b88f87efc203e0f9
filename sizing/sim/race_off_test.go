//go:build !race

package sim_test

// underRace is for sweeps that take minutes under the race detector. A run of the
// simulator is one goroutine: the others show as much.
const underRace = false
