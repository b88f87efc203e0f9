package quic

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// scaled is how often a test repeats what it proves: few times, and many when
// POOLKIT_LONG is set. How long the long runs take, and what came of them, is in
// docs/resilience.md.
func scaled(few, many int) int {
	if os.Getenv("POOLKIT_LONG") != "" {
		return many
	}
	return few
}

// sparing is how often a test repeats what takes long under the race detector, which sees
// in a few repetitions what it can see at all.
func sparing(few, many int) int {
	if underRace {
		return few
	}
	return many
}

// seeded returns a source of chance and logs its seed, which is another in every run
// unless POOLKIT_SEED gives it.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano()) // call it outside of bubbles, whose clocks all begin alike
	if s := os.Getenv("POOLKIT_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("POOLKIT_SEED: %v", err)
		}
	}
	t.Logf("POOLKIT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
