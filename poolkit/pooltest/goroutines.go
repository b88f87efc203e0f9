package pooltest

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// goroutines returns the stacks of all goroutines, by their IDs. In a bubble those are
// the bubble's.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	n := runtime.Stack(buf, true)
	for n == len(buf) {
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	stacks := strings.Split(string(buf[:n]), "\n\n")
	bubble := bubbleOf(stacks[0]) // ours is the first
	all := make(map[string]string, len(stacks))
	for _, stack := range stacks {
		if bubbleOf(stack) == bubble {
			id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
			all[id] = strings.TrimSpace(stack)
		}
	}
	return all
}

var inBubble = regexp.MustCompile(`synctest bubble \d+`)

// bubbleOf returns what a stack says of its goroutine's bubble, or nothing.
func bubbleOf(stack string) string {
	header, _, _ := strings.Cut(stack, "\n")
	return inBubble.FindString(header)
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
	tb.Errorf("%d goroutines are left over after the pool was closed and the peer cleaned up. "+
		"Whatever the backend starts has to end by the time Config.Closed returns, or soon after.%s",
		len(left), summary(left))
}

// peculiar is what differs between goroutines that do the same.
var peculiar = regexp.MustCompile(`^goroutine \d+ .*|0x[0-9a-f]+|in goroutine \d+`)

// summary shows each of the stacks once that differ.
func summary(stacks []string) string {
	count := make(map[string]int)
	for _, stack := range stacks {
		count[peculiar.ReplaceAllString(stack, "")]++
	}
	var text strings.Builder
	for _, stack := range stacks {
		key := peculiar.ReplaceAllString(stack, "")
		if n := count[key]; n > 0 {
			fmt.Fprintf(&text, "\n\n%d like this:\n%s", n, stack)
			count[key] = 0
		}
	}
	return text.String()
}
