//go:build !race

package keyed_test

const underRace = false
