//go:build !race

package poolkit

// UnderRace tells the tests outside the package.
const UnderRace = false
