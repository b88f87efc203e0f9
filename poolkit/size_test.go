package poolkit

import (
	"testing"
	"unsafe"
)

// 128 bytes are a size class of the allocator; the next has 144.
func TestAMemberTakesTwoCacheLines(t *testing.T) {
	if size := unsafe.Sizeof(member[*int]{}); unsafe.Sizeof(uintptr(0)) == 8 && size > 128 {
		t.Errorf("a member takes %d bytes, want 128 at most", size)
	}
}

// Members that are chosen by ID are anywhere in memory: to lend one among 65536 and take
// it back takes 1.5 times as long with a second line.
func TestWhatALoanTouchesIsInOneCacheLine(t *testing.T) {
	var m member[*int]
	if end := unsafe.Offsetof(m.links) + unsafe.Sizeof(m.links[ofPool]); end > 64 {
		t.Errorf("the links of the idle queue end at byte %d, want 64 at most", end)
	}
}

// On another core each line that a hit changes has to be fetched anew.
func TestWhatEveryHitOfAPoolChangesIsInTwoCacheLines(t *testing.T) {
	var p Pool[*int]
	first := unsafe.Offsetof(p.mu)
	last := unsafe.Offsetof(p.ledger) + unsafe.Offsetof(p.ledger.counts) + unsafe.Offsetof(p.ledger.counts.takes)
	if unsafe.Sizeof(uintptr(0)) == 8 && last/64-first/64 > 1 {
		t.Errorf("a hit changes bytes %d to %d, which are in %d lines", first, last, last/64-first/64+1)
	}
}
