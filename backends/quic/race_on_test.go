//go:build race

package quic

const underRace = true
