package pooltest

import (
	"runtime"
	"strings"
	"testing"
)

// goroutines returns the stacks of all goroutines, by their IDs. In a bubble those are
// the bubble's.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for n := runtime.Stack(buf, true); ; n = runtime.Stack(buf, true) {
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	stacks := strings.Split(string(buf), "\n\n")
	bubble := bubbleOf(stacks[0]) // ours is the first
	all := make(map[string]string, len(stacks))
	for _, stack := range stacks {
		if bubbleOf(stack) == bubble {
			id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
			all[id] = stack
		}
	}
	return all
}

// bubbleOf returns what a stack says of its goroutine's bubble: its number, or nothing.
func bubbleOf(stack string) string {
	header, _, _ := strings.Cut(stack, "\n")
	_, bubble, _ := strings.Cut(header, "synctest bubble ")
	return strings.TrimRight(bubble, "]:")
}

// noneLeft fails the test if there are goroutines that were not there before, and do not
// end soon.
func noneLeft(tb testing.TB, before map[string]string, bubble bool) {
	tb.Helper()
	var left []string
	if poll(bubble, func() bool {
		left = nil
		for id, stack := range goroutines() {
			if _, ok := before[id]; !ok {
				left = append(left, stack)
			}
		}
		return len(left) == 0
	}) {
		return
	}
	tb.Errorf("%d goroutines are left over after the pool has been closed and the peer has been cleaned up.\n"+
		"Whatever the backend starts has to end by the time Config.Closed returns, or soon after:\n\n%s",
		len(left), strings.Join(left, "\n\n"))
}
