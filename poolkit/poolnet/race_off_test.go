//go:build !race

package poolnet_test

const underRace = false
