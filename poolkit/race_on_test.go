//go:build race

package poolkit

const underRace = true
